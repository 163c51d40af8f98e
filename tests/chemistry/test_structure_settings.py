"""Settings of structures: which levels take part, and how digests of before are kept."""

from dataclasses import replace

import pytest

from screener.chemistry.identity import mol_id
from screener.chemistry.levels import GFN2_OPT, subject_of
from screener.chemistry.structures import StructureSettings, make_structure
from screener.errors import ConfigError, MoleculeError
from screener.registry import columns
from screener.stores.files import digest

BEFORE = {"gfn2-opt": {"procedure": 1}}
WITH_IONS = StructureSettings.at("gfn2-opt", values=("gfn2-redox",), settings=BEFORE)


@pytest.mark.parametrize(
    ("settings", "written", "named"),
    [
        (
            StructureSettings(),
            {"level": "mmff94", "n_conformers": 1},
            "dee4f8a17d63701db87a8dcceedd8061",
        ),
        (
            StructureSettings.at("gfn2-opt", 10, settings=BEFORE),
            {"level": "gfn2-opt", "n_conformers": 10},
            "680f5a91242943013eb23f5981c6020d",
        ),
        (
            WITH_IONS,
            {"level": "gfn2-opt", "n_conformers": 1, "redox_solvent": "acetonitrile"},
            "4e81c02653015c28f3d8f926132d17cb",
        ),
    ],
)
def test_settings_of_before_are_written_named_and_read_as_before(settings, written, named):
    whole = {"procedure": 1, "force_threshold": 0.03, "max_steps": 200, **written}
    assert settings.model_dump(mode="json") == whole
    assert digest(settings.model_dump(mode="json")) == named
    assert StructureSettings.model_validate(whole) == settings


def test_other_settings_are_written_whole_and_read_back():
    settings = StructureSettings.at("mmff94", 2, ("gfn2",))
    written = settings.model_dump(mode="json")
    assert written == {
        "level": "mmff94",
        "values": ["gfn2"],
        "settings": {"mmff94": {"procedure": 1, "n_conformers": 2}, "gfn2": {"procedure": 1}},
    }
    assert StructureSettings.model_validate(written) == settings


def test_values_are_computed_at_the_geometry_that_is_asked_for():
    smiles = "CO"
    settings = StructureSettings.at("mmff94", values=("gfn2",))
    plain = make_structure(smiles, mol_id(smiles), StructureSettings())
    structure = make_structure(smiles, mol_id(smiles), settings)
    assert structure.positions.tobytes() == plain.positions.tobytes()
    assert set(structure.values) == set(settings.value_columns)
    assert structure.values["energy_gfn2_ha"] == pytest.approx(-8.22, abs=0.05)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"level": "mmff95"}, "did you mean mmff94"),
        ({"level": "b3lyp-opt"}, "level b3lyp-opt are given, and never computed"),
        ({"level": "b3lyp"}, "b3lyp makes no geometry"),
        ({"level": "gfn2"}, "gfn2 makes no geometry"),
        ({"values": ("gfn2-redox",)}, "gfn2-redox starts from gfn2-opt, so .* at mmff94"),
        ({"values": ("gfn2-opt",)}, "gfn2-opt starts from mmff94|a geometry of its own"),
        ({"settings": {"gfn2-opt": {}}}, "gfn2-opt, which takes no part"),
        ({"settings": {"mmff94": {"n_conformers": 0}}}, "level mmff94: n_conformers"),
        ({"settings": {"mmff94": {"speed": 1}}}, "level mmff94: speed"),
        (
            {
                "level": "gfn2-opt",
                "values": ("gfn2-redox",),
                "settings": {"gfn2-redox": {"solvent": "vodka"}},
            },
            "solvent 'vodka'",
        ),
    ],
)
def test_what_cannot_be_made_is_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        StructureSettings(**given)


@pytest.mark.parametrize(
    ("entry", "smiles", "code", "message"),
    [
        ({"elements": frozenset({1, 6})}, "CO", "unknown_element", "gfn2-opt has no O; it knows H"),
        ({"charges": (0, 1)}, "C[O-]", "charge_out_of_range", "charges from 0 to 1, and .* -1"),
        ({"open_shells": False}, "C[CH2]", "open_shell", "has 1 unpaired"),
    ],
)
def test_a_level_refuses_what_its_entry_excludes(entry, smiles, code, message):
    subject = subject_of(smiles, mol_id(smiles))
    start = make_structure(smiles, mol_id(smiles), StructureSettings())
    narrow = replace(GFN2_OPT, **entry)
    with pytest.raises(MoleculeError, match=message) as caught:
        narrow.apply(subject, start, narrow.settings())
    assert caught.value.code == code
    assert "energy_gfn2_ha" in GFN2_OPT.apply(subject, start, GFN2_OPT.settings()).values


def test_a_geometry_level_of_before_is_told_by_its_name_of_now(caplog):
    columns._tell_geometry_once.cache_clear()
    assert columns.geometry_level("b3lyp") == "b3lyp-opt"  # b3lyp computes at any geometry now
    assert columns.geometry_level("b3lyp") == "b3lyp-opt"
    assert caplog.messages == ["the geometry level b3lyp is called b3lyp-opt now"]
    for name in ("b3lyp-opt", "gfn2-opt", "drawing", "gfn2"):
        assert columns.geometry_level(name) == name
