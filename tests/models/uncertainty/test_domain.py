import numpy as np
import pytest

from screener.chemistry.coordination import coordinations
from screener.models.uncertainty.domain import (
    Domain,
    count_coordinations,
    distance_limits,
)
from screener.records import Structure
from screener.stores.domain_reasons import Reason, reasons_in


@pytest.fixture(scope="module")
def domain(qm9) -> Domain:
    """Coordinations of 1,900 molecules of QM9; distances do not limit it."""
    return Domain(
        elements=(1, 6, 7, 8, 9),
        largest_fitted=9,
        max_heavy=14,
        min_seen=2,
        coordinations=count_coordinations(qm9.structures),
        distance_limits=dict.fromkeys((1, 6, 7, 8, 9), 1.0),
        distance_growth=1.2,
    )


@pytest.mark.parametrize(
    ("smiles", "first"),
    [
        ("O", ["O:H,H", "H:O", "H:O"]),
        ("CC(F)(F)F", ["C:C,H,H,H", "C:C,F,F,F", "F:C", "F:C", "F:C"]),
        ("N#C", ["N:C", "C:H,N", "H:C"]),
        ("O=C1OCCO1", ["O:C", "C:O,O,O", "O:C,C", "C:C,H,H,O", "C:C,H,H,O", "O:C,C"]),
        ("C12C3C4C1C5C2C3C45", ["C:C,C,C,H"] * 8),  # cubane: no bonds across its faces
    ],
)
def test_bonds_by_covalent_radii_are_those_of_the_molecule(structure_of, smiles, first):
    assert coordinations(structure_of(smiles))[: len(first)] == first


@pytest.mark.parametrize(
    "smiles",
    [
        "O=C1OCCO1",  # ethylene carbonate
        "COC(=O)OC",
        "COCCOC",
        "CC#N",
        "C1CCOC1",
        "CC(F)(F)F",
        "OCC(F)(F)F",
        "FC(F)(F)C#N",
    ],
)
def test_known_solvents_and_trifluoromethyls_are_inside(domain, structure_of, smiles):
    assert domain.reasons(structure_of(smiles)) == []


@pytest.mark.parametrize(
    ("smiles", "reason"),
    [
        (
            "O=C1OCC(F)O1",
            "has a carbon bonded to C, F, H and O, as in no molecule that the model was fitted to",
        ),
        (
            "FCCOC",
            "has a carbon bonded to C, F, H and H, as in no molecule that the model was fitted to",
        ),
        (
            "FC(F)C(F)(F)OC",
            "has a carbon bonded to C, F, F and O, as in no molecule that the model was fitted to",
        ),
        (
            "FC(F)COC",
            "has a carbon bonded to C, F, F and H, as in no molecule that the model was fitted to",
        ),
    ],
)
def test_other_sp3_fluorine_is_outside(domain, structure_of, smiles, reason):
    assert reason in domain.reasons(structure_of(smiles))


def test_elements_and_size_are_limits(domain, structure_of):
    silane = Structure(np.array([14, 1, 1, 1, 1], dtype=np.uint8), np.eye(5, 3, dtype=np.float32))
    assert domain.reasons(silane) == ["has silicon, which the model never saw"]
    assert domain.reasons(structure_of("C" * 14)) == []
    assert domain.reasons(structure_of("C" * 15)) == [
        "has 15 heavy atoms, and the model speaks of at most 14"
    ]


def test_broken_positions_are_outside(domain, structure_of):
    methane = structure_of("C")
    positions = methane.positions.copy()
    positions[1] = positions[2]
    assert domain.reasons(Structure(methane.atomic_numbers, positions)) == [
        "two atoms are less than 0.5 angstrom apart"
    ]
    positions[1] = np.nan
    assert domain.reasons(Structure(methane.atomic_numbers, positions)) == [
        "positions are not finite"
    ]
    alone = Structure(methane.atomic_numbers[:1], methane.positions[:1])
    assert domain.reasons(alone) == [
        "has a carbon bonded to nothing, as in no molecule that the model was fitted to"
    ]


def test_a_flat_carbon_is_outside(domain):
    neopentane = np.array([[0, 0, 0], [1, 1, 1], [-1, -1, 1], [-1, 1, -1], [1, -1, -1]]) * 0.88
    flattened = neopentane * [1.22, 1.22, 0.0] + [0.0, 0.0, 0.1]
    carbons = np.full(5, 6, dtype=np.uint8)
    flat = ["an atom with four neighbours is flat: the geometry is not at a minimum"]
    assert domain.reasons(Structure(carbons, neopentane.astype(np.float32))) != flat
    assert domain.reasons(Structure(carbons, flattened.astype(np.float32))) == flat


def test_few_training_molecules_are_named(domain, structure_of):
    rare = domain.model_copy(update={"coordinations": {**domain.coordinations, "C:C,F,F,F": 1}})
    assert rare.reasons(structure_of("CC(F)(F)F")) == [
        "has a carbon bonded to C, F, F and F, as in only one molecule that the model was fitted to"
    ]


def test_bonds_of_several_molecules_make_a_domain(qm9, domain, structure_of):
    counts = count_coordinations(qm9.structures, by_bonds=True)
    assert all(counts[each] >= seen for each, seen in domain.coordinations.items())
    by_bonds = domain.model_copy(update={"coordinations": counts, "by_bonds": True})
    fluoromethyl_ether = structure_of("COCF")  # bonded to F, H, H and O, as none of QM9
    (reason,) = domain.reasons(fluoromethyl_ether)
    assert "has a carbon bonded to F, H, H and O, as in" in reason
    assert by_bonds.reasons(fluoromethyl_ether) == []
    reasons = by_bonds.reasons(structure_of("COF"))
    beginning = "has an oxygen bonded to C and F, with a bond that is in "
    assert any(each.startswith(beginning) for each in reasons)


def test_distances_limit_the_domain_and_grow_with_size(domain, structure_of):
    octane, undecane = structure_of("C" * 8), structure_of("C" * 11)
    for structure, limit in ((octane, 1.0), (undecane, 1.2**2)):
        distances = np.full(structure.n_atoms, 0.99 * limit)
        assert domain.distance_reasons(structure, distances) == []
        distances[0] = 1.01 * limit
        (reason,) = domain.distance_reasons(structure, distances)
        assert "carbon" in reason
        assert f"{limit:.2f}" in reason


def test_distances_are_told_of_the_atom_that_is_furthest_off(domain, structure_of):
    carbonate = structure_of("O=C1OCCO1")
    distances = np.zeros(carbonate.n_atoms)
    distances[[1, 0]] = 3.0, 2.5  # of the atoms in the order of the SMILES
    far, further = domain.distance_reasons(carbonate, distances)
    assert reasons_in(far) == [
        Reason(
            "the environment of the carbonyl carbon is unlike any that the model was fitted to",
            {"distance": 3.0, "limit": 1.0},
        )
    ]
    assert "the environment of the carbonyl oxygen is unlike" in further


def test_an_element_never_calibrated_is_outside(domain, structure_of):
    without = domain.model_copy(update={"distance_limits": {1: 1.0, 6: 1.0}})
    water = structure_of("O")
    assert "oxygen" in without.distance_reasons(water, np.full(3, 0.1))[0]


def test_limits_leave_the_wanted_share_outside(qm9):
    generator = np.random.default_rng(0)
    numbers = [structure.atomic_numbers for structure in qm9.structures[:1000]]
    distances = [generator.gamma(2.0, 0.1 * (1 + (n > 1)), len(n)) for n in numbers]
    limits = distance_limits(numbers, distances, 0.05)
    outside = [
        any(d > limits[int(n)] for n, d in zip(*pair, strict=True))
        for pair in zip(numbers, distances, strict=True)
    ]
    assert np.mean(outside) == pytest.approx(0.05, abs=0.005)
