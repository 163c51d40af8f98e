"""What every energy model must do, whatever it learned: one suite, run by each kind."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_fixtures import DIRECT
from scipy.spatial.transform import Rotation

from screener.records import Structure
from screener.training.fit.calibrate import FittedModel

NAMES = [each.name for each in DIRECT.all]
QUICK = settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

angles = st.tuples(*[st.floats(-180, 180) for _ in range(3)])
shifts = st.tuples(*[st.floats(-5, 5) for _ in range(3)])
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module", params=["direct", "delta", "schnet", "readout"])
def model(request: pytest.FixtureRequest, fitted: dict[str, FittedModel]) -> FittedModel:
    return fitted[request.param]


def moved(structure: Structure, rotation: Rotation, shift: object, mirror: bool) -> Structure:
    positions = rotation.apply(structure.positions.astype(float)) + np.asarray(shift)
    if mirror:
        positions[:, 0] *= -1.0
    return replace(structure, positions=positions.astype(np.float32))


def permuted(structure: Structure, order: np.ndarray) -> Structure:
    return replace(
        structure,
        atomic_numbers=structure.atomic_numbers[order],
        positions=structure.positions[order],
        atom_values={name: values[order] for name, values in structure.atom_values.items()},
    )


def combined(one: Structure, other: Structure, shift: float) -> Structure:
    """Two molecules apart; the GFN2 energies add, the orbitals are the first one's."""
    energy = one.values["energy_gfn2_ha"] + other.values["energy_gfn2_ha"]
    return Structure(
        np.concatenate([one.atomic_numbers, other.atomic_numbers]),
        np.concatenate([one.positions, other.positions + np.float32([shift, 0, 0])]),
        {**one.values, "energy_gfn2_ha": energy},
    )


def value(table: pa.Table, name: str, row: int = 0) -> float:
    found = table[name][row].as_py()
    assert found is not None, table["domain_reasons"][row].as_py()
    return float(found)


@QUICK
@given(angles=angles, shift=shifts, mirror=st.booleans(), seed=seeds, number=st.integers(0, 99))
def test_pose_and_atom_order_change_nothing(model, solvents, angles, shift, mirror, seed, number):
    structure = solvents[number % len(solvents)]
    order = np.random.default_rng(seed).permutation(structure.n_atoms)
    rotation = Rotation.from_euler("xyz", angles, degrees=True)
    posed = permuted(moved(structure, rotation, shift, mirror), order)
    before, after = model.predict([structure]), model.predict([posed])
    for name in NAMES:
        # positions are float32: a pose is the same to 5e-7 angstrom only
        tolerance = 2e-3 if name == "ae0_b3lyp_kcal" else 1e-5
        assert value(after, name) == pytest.approx(value(before, name), abs=tolerance)
        std = value(before, f"{name}_std")
        assert value(after, f"{name}_std") == pytest.approx(std, rel=1e-4)


def test_energy_is_size_extensive(model, structure_of):
    one, other = structure_of("CCO"), structure_of("COC(=O)OC")
    table = model.predict([one, other, combined(one, other, shift=100.0)])
    energies = [value(table, "ae0_b3lyp_kcal", row) for row in range(3)]
    # 100 angstrom away, float32 positions are good to 4e-6 angstrom; charges of AIMNet2, which
    # sum up to that of all atoms, cross any distance
    tolerance = 5e-2 if model.predictor.model_type == "aimnet2-readout" else 5e-3
    assert energies[2] == pytest.approx(energies[0] + energies[1], abs=tolerance)


def test_two_copies_have_the_orbitals_of_one(model, structure_of):
    ethanol = structure_of("CCO")
    table = model.predict([ethanol, combined(ethanol, ethanol, shift=100.0)])
    for name in set(NAMES) - {"ae0_b3lyp_kcal"}:
        delta = f"{name}_delta" if model.predictor.targets.kind == "delta" else name
        assert value(table, delta, 1) == pytest.approx(value(table, delta, 0), abs=1e-4)


@QUICK
@given(cuts=st.lists(st.integers(1, 35), max_size=4), seed=seeds)
def test_a_row_has_the_same_bytes_in_any_batch(model, solvents, cuts, seed):
    few = solvents[:36]  # more than the rows of one block
    order = np.random.default_rng(seed).permutation(len(few))
    whole = model.predict(few)
    edges = sorted({0, len(few), *cuts})
    parts = [
        model.predict([few[row] for row in order[start:stop]]) for start, stop in pairwise(edges)
    ]
    assert pa.concat_tables(parts).equals(whole.take(pa.array(order)))


def test_a_molecule_alone_has_the_bytes_it_has_among_others(model, solvents):
    whole = model.predict(solvents)
    for row in (0, 1, 50, len(solvents) - 1):
        assert model.predict([solvents[row]]).equals(whole.slice(row, 1))


def test_company_outside_the_domain_changes_nothing(model, solvents):
    strange = Structure(np.array([14], dtype=np.uint8), np.zeros((1, 3), dtype=np.float32),
                        solvents[0].values)  # fmt: skip
    table = model.predict([strange, solvents[0], strange, solvents[1]])
    assert table.take([1, 3]).equals(model.predict(solvents[:2]))
    assert table["in_domain"].to_pylist() == [False, True, False, True]
    assert table["ae0_b3lyp_kcal"].null_count == 2


def test_no_structures_give_an_empty_table(model):
    table = model.predict([])
    assert table.num_rows == 0
    assert table.schema.equals(model.predict([]).schema)
    assert {"ae0_b3lyp_kcal", "gap_b3lyp_ev_hi90", "domain_reasons"} <= set(table.column_names)


def test_the_gap_is_lumo_minus_homo(model, solvents):
    table = model.predict(solvents[:20])
    homo, lumo, gap = (
        np.array(table[f"{name}_b3lyp_ev"].to_pylist()) for name in ("homo", "lumo", "gap")
    )
    np.testing.assert_allclose(gap, lumo - homo, atol=1e-9)


def test_intervals_lie_around_the_value(model, solvents):
    table = model.predict(solvents)
    for name in NAMES:
        told = table.filter(table[name].is_valid())  # others are too uncertain
        assert told.num_rows > 0.8 * table.num_rows
        low, middle, high, std = (
            np.array(told[name + ending].to_pylist()) for ending in ("_lo90", "", "_hi90", "_std")
        )
        assert (std > 0).all()
        assert (low < middle).all()
        assert (middle < high).all()
        np.testing.assert_allclose(high - middle, middle - low, rtol=1e-6)


def test_the_columns_are_those_of_the_design(model):
    names = model.predict([]).column_names
    endings = ["", "_std", "_lo90", "_hi90"]
    if model.predictor.targets.kind == "delta":
        endings.append("_delta")
    low = [f"{q}_gfn2_ev" for q in ("homo", "lumo", "gap")]
    low = ["de_gfn2_kcal", *low, "dipole_gfn2_debye", "energy_gfn2_ha"]
    assert names == [
        *(name + ending for name in NAMES for ending in endings),
        *(low if model.predictor.targets.kind == "delta" else []),
        "in_domain",
        "domain_reasons",
        "geometry_level",
    ]
