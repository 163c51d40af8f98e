"""The names of the bundles that ship lead to bundles of what they are said to be of."""

from screener.campaign.settings.config import CampaignConfig, StageConfig
from screener.campaign.settings.stages import wanted_stages
from screener.models import shipped
from screener.models.bundle_files import read_card
from screener.models.shipped import DEFAULT_BUNDLES, shipped_bundles
from screener.registry.columns import level
from screener.registry.elements import numbers_of
from screener.training.shipped import TRAINERS


def test_there_is_a_bundle_of_each_name():
    names = [
        value
        for name, value in vars(shipped).items()
        if name.startswith(("QM9", "G4MP2", "ORBITALS"))
    ]
    assert sorted(names) == shipped_bundles()
    assert sorted(TRAINERS) == shipped_bundles()


def test_a_level_stands_for_its_bundle():
    assert len(DEFAULT_BUNDLES) == 2
    for name, bundle in DEFAULT_BUNDLES.items():
        assert read_card(bundle).geometry_level == name
        assert StageConfig.parse(name).bundle == bundle
    asked = wanted_stages(CampaignConfig(), None)
    assert [each.bundle for each in asked] == list(DEFAULT_BUNDLES.values())


def test_free_atoms_and_elements_are_asked_of_levels():
    assert set(level("b3lyp-opt").free_atoms_ha) == level("b3lyp-opt").elements
    assert level("gfn2").free_atoms_ha == level("gfn2-opt").free_atoms_ha
    hydrogen, carbon = (level("b3lyp").free_atoms_ha[number] for number in numbers_of(("H", "C")))
    assert (hydrogen, carbon) == (-0.500273, -37.846772)
