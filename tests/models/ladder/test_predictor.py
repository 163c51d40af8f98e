from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from model_fixtures import DELTA, ELEMENTS
from scipy.spatial.transform import Rotation

from screener.errors import ConfigError
from screener.models.calibration import QuantityCalibration
from screener.models.kernel_ridge.additive import AdditiveSettings
from screener.models.kernel_ridge.cross_evaluator import CrossEvaluator
from screener.models.kernel_ridge.cross_fit import CrossFit
from screener.models.kernel_ridge.increments import increments, vocabulary
from screener.models.ladder.predictor import ENDINGS, LadderColumns, LadderPredictor, Route
from screener.models.low_values import LowValues, low_values
from screener.models.predictor import Predictor
from screener.models.uncertainty.domain import Domain, count_coordinations, heavy_atoms
from screener.records import Structure
from screener.training.fit.additive import Prepared, prepare
from screener.training.fit.calibrate import FittedModel
from screener.training.fit.cross_fit import cross_fit

VALUE, B3LYP, GFN2 = "ae0_g4mp2_kcal", "ae0_b3lyp_kcal", "de_gfn2_kcal"
UP, LAST_RUNG = LadderColumns(VALUE, B3LYP, GFN2), LadderColumns(VALUE, B3LYP, B3LYP)
SETTINGS = AdditiveSettings(tolerance=None)
N_FOLDS = 5
CALIBRATION = QuantityCalibration(std_scale=1.2, quantile=2.0, growth=1.3, n=95)
OWN = [VALUE + ending for ending in ENDINGS]
LAST = ["in_domain", "domain_reasons", "geometry_level"]


def made_up_b3lyp(structures: list[Structure]) -> np.ndarray:
    """What the first rung was fitted on, see `with_gfn2`; kcal/mol."""
    return low_values(structures, [GFN2])[GFN2] / 0.97


def g4mp2(structures: list[Structure]) -> np.ndarray:
    """Made-up values, as far from B3LYP as the real ones; kcal/mol."""
    found = increments(structures, ELEMENTS)
    columns = np.concatenate(
        [vocabulary(ELEMENTS).block("composition"), vocabulary(ELEMENTS).block("bonds")]
    )
    coefficients = np.random.default_rng(2).normal(scale=0.3, size=len(columns))
    return np.asarray(made_up_b3lyp(structures) + found[:, columns] @ coefficients)


def column(table: pa.Table, name: str) -> np.ndarray:
    """NaN where null."""
    return np.asarray(table[name].to_numpy(zero_copy_only=False), dtype=np.float64)


def sizes(structures: list[Structure]) -> np.ndarray:
    return np.array([heavy_atoms(structure) for structure in structures])


def far_apart(one: Structure, other: Structure) -> Structure:
    """Both as one molecule, with the sum of their GFN2 energies."""
    energy = one.values["energy_gfn2_ha"] + other.values["energy_gfn2_ha"]
    return Structure(
        np.concatenate([one.atomic_numbers, other.atomic_numbers]),
        np.concatenate([one.positions, other.positions + np.float32(200.0)]),
        {**one.values, "energy_gfn2_ha": energy},
    )


@pytest.fixture(scope="module")
def first(fitted: dict[str, FittedModel]) -> Predictor:
    """GFN2 to B3LYP; of the solvents only those with fluorine are outside."""
    below = fitted["delta"].predictor
    return below.within(below.domain.model_copy(update={"elements": (1, 6, 7, 8)}))


@pytest.fixture(scope="module")
def below(first, solvents) -> pa.Table:
    return first.predict(solvents)


@pytest.fixture(scope="module")
def domain(solvents: list[Structure]) -> Domain:
    return Domain(
        elements=(1, 6, 7, 8, 9),
        largest_fitted=10,
        max_heavy=14,
        min_seen=1,
        coordinations=count_coordinations(solvents),
        distance_limits=dict.fromkeys((1, 6, 7, 8, 9), 1.0),
        distance_growth=1.0,
    )


@pytest.fixture(scope="module")
def prepared(solvents: list[Structure]) -> Prepared:
    return prepare(solvents, (SETTINGS.width,))


@pytest.fixture(scope="module")
def fit_from(prepared, solvents) -> Callable[[np.ndarray], CrossFit]:
    """What leads to G4(MP2) from so much, fitted on the solvents where that is known."""
    folds = np.arange(len(solvents)) % N_FOLDS

    def fit(base: np.ndarray) -> CrossFit:
        delta, known = g4mp2(solvents) - base, np.isfinite(base)
        return cross_fit(prepared, delta, delta, SETTINGS, fit=known, counted=known, folds=folds)[0]

    return fit


@pytest.fixture(scope="module")
def correction(fit_from, below, solvents) -> Callable[[float], CrossFit]:
    """Of a ladder, which starts at a share of its first rung's B3LYP; the rest is GFN2."""
    gfn2, b3lyp = low_values(solvents, [GFN2])[GFN2], column(below, B3LYP)
    return lambda share: fit_from(gfn2 if share == 0.0 else share * b3lyp + (1.0 - share) * gfn2)


@pytest.fixture(scope="module")
def routes(correction, domain) -> list[Route]:
    return [
        Route(correction(0.5), CALIBRATION, 0.5, None),
        Route(correction(0.0), CALIBRATION, 0.0, domain),
    ]


@pytest.fixture(scope="module")
def ladder(routes, first) -> LadderPredictor:
    return LadderPredictor(routes, first, UP, geometry_level="mmff94")


@pytest.fixture(scope="module")
def table(ladder, solvents) -> pa.Table:
    return ladder.predict(solvents)


@pytest.fixture(scope="module")
def given_b3lyp(solvents) -> dict[str, np.ndarray]:
    return {B3LYP: made_up_b3lyp(solvents)}


@pytest.fixture(scope="module")
def rung(fit_from, domain, given_b3lyp) -> LadderPredictor:
    routes = [Route(fit_from(given_b3lyp[B3LYP]), CALIBRATION, 1.0, domain)]
    return LadderPredictor(routes, None, LAST_RUNG, geometry_level="mmff94")


@pytest.fixture(scope="module")
def strange(structure_of) -> Structure:
    """Fluoroethylene carbonate: a kind of carbon that no rung has seen."""
    return structure_of("O=C1OCC(F)O1")


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_value_is_its_start_and_what_the_route_adds(
    correction, first, below, solvents, routes, share
):
    model = correction(share)
    route = Route(model, CALIBRATION, share, None)
    table = LadderPredictor([route, routes[1]], first, UP, geometry_level="mmff94").predict(
        solvents
    )
    inside = below["in_domain"].to_numpy()
    start = share * column(below, B3LYP) + (1.0 - share) * low_values(solvents, [GFN2])[GFN2]
    added = CrossEvaluator(model).predict(solvents).values[0]
    np.testing.assert_allclose(column(table, VALUE)[inside], (start + added)[inside], atol=1e-9)
    errors = column(table, VALUE) - g4mp2(solvents)
    assert np.abs(errors).mean() < 1.0  # kcal/mol; it knows them


def test_a_structure_takes_the_first_route_whose_domain_it_is_in(
    ladder, routes, first, solvents, strange
):
    some = [*solvents, strange]
    table, below = ladder.predict(some), first.predict(some)
    near = below["in_domain"].to_numpy()
    with_fluorine = np.array([9 in structure.atomic_numbers for structure in some])
    np.testing.assert_array_equal(near, ~with_fluorine)

    alone = LadderPredictor(routes[1:], first, UP, geometry_level="mmff94").predict(some)
    within, beyond, both = (
        CrossEvaluator(routes[0].model).predict(some).values[0],
        column(alone, VALUE),
        column(table, VALUE),
    )
    assert np.isfinite(beyond[:-1]).all()
    assert both[~near].tobytes() == beyond[~near].tobytes()
    start = (column(below, B3LYP) + column(below, GFN2)) / 2
    np.testing.assert_allclose(both[near], (start + within)[near], atol=1e-9)
    assert (both[near] != beyond[near]).all()
    assert table["in_domain"].to_pylist() == [True] * len(solvents) + [False]
    assert table["domain_reasons"].to_pylist()[:-1] == [""] * len(solvents)
    # what only the first rung predicts is its own matter
    np.testing.assert_array_equal(np.isnan(column(table, "homo_b3lyp_ev")), ~near)


def test_outside_of_every_route_predictions_are_null_with_a_reason(ladder, domain, strange):
    (row,) = ladder.predict([strange]).to_pylist()
    assert not row["in_domain"]
    assert row["domain_reasons"] == "; ".join(domain.reasons(strange))
    assert (
        "has a carbon bonded to C, F, H and O, as in no molecule that the model was fitted to"
        in row["domain_reasons"]
    )
    assert {name: row[name] for name in OWN} == dict.fromkeys(OWN)
    assert row[GFN2] == low_values([strange], [GFN2])[GFN2][0]


def test_surroundings_unlike_those_fitted_on_are_outside_as_well(routes, first, domain, solvents):
    known = next(s for s in solvents if 9 in s.atomic_numbers)
    noise = np.random.default_rng(0).normal(0.0, 0.02, known.positions.shape)
    moved = Structure(
        known.atomic_numbers, known.positions + noise.astype(np.float32), known.values
    )
    strict = domain.model_copy(update={"distance_limits": dict.fromkeys((1, 6, 7, 8, 9), 1e-3)})
    narrow = Route(routes[1].model, CALIBRATION, 0.0, strict)
    ladder = LadderPredictor([routes[0], narrow], first, UP, geometry_level="mmff94")
    one, other = ladder.predict([known, moved]).to_pylist()
    assert (one["in_domain"], one["domain_reasons"]) == (True, "")
    assert "unlike any that the model was fitted to" in other["domain_reasons"]
    assert [other[name] for name in OWN] == [None] * len(OWN)


def test_columns_are_those_of_g4mp2_then_of_the_level_below(table, rung, given_b3lyp, solvents):
    below = [quantity.name + ending for quantity in DELTA.all for ending in ENDINGS]
    assert table.column_names == [*OWN, *below, *LowValues(DELTA.low_columns).columns, *LAST]
    assert set(table["geometry_level"].to_pylist()) == {"mmff94"}
    found = rung.predict(solvents, given_b3lyp)
    assert found.column_names == [*OWN, B3LYP, *LAST]
    assert column(found, B3LYP).tobytes() == given_b3lyp[B3LYP].tobytes()


def test_deltas_are_from_the_low_end(table, rung, given_b3lyp, solvents):
    expected = column(table, VALUE) - low_values(solvents, [GFN2])[GFN2]
    np.testing.assert_allclose(column(table, f"{VALUE}_delta"), expected, atol=1e-9)
    table = rung.predict(solvents, given_b3lyp)
    expected = column(table, VALUE) - given_b3lyp[B3LYP]
    np.testing.assert_allclose(column(table, f"{VALUE}_delta"), expected, atol=1e-9)


def test_low_values_that_a_level_computes_are_read_off_the_structures(fit_from, domain, solvents):
    low = low_values(solvents, [GFN2])[GFN2]
    routes = [Route(fit_from(low), CALIBRATION, 1.0, domain)]
    columns = LadderColumns(VALUE, GFN2, GFN2)
    alone = LadderPredictor(routes, None, columns, geometry_level="mmff94")
    table = alone.predict(solvents)
    assert table.column_names == [*OWN, *LowValues([GFN2]).columns, *LAST]
    assert column(table, GFN2).tobytes() == low.tobytes()
    added = CrossEvaluator(routes[0].model).predict(solvents).values[0]
    np.testing.assert_allclose(column(table, VALUE), low + added, atol=1e-9)
    with pytest.raises(ConfigError, match="give no low values"):
        alone.predict(solvents, {GFN2: low})


def test_what_a_rung_adds_does_not_depend_on_the_values_given(rung, given_b3lyp, solvents):
    one = rung.predict(solvents, given_b3lyp)
    other = rung.predict(solvents, {B3LYP: given_b3lyp[B3LYP] + 5.0})
    for ending in ENDINGS:
        shift = 0.0 if ending in ("_std", "_delta") else 5.0
        was, now = column(one, VALUE + ending), column(other, VALUE + ending)
        np.testing.assert_allclose(now, was + shift, atol=1e-9)


def test_intervals_are_those_of_cv_plus_around_the_value(rung, given_b3lyp, solvents):
    table = rung.predict(solvents, given_b3lyp)
    (route,) = rung.routes
    raw = CrossEvaluator(route.model).predict(solvents)
    low, high = route.model.cvplus.interval(given_b3lyp[B3LYP] + raw.values[1:], raw.stds[1:])
    value = column(table, VALUE)
    np.testing.assert_allclose(column(table, f"{VALUE}_lo90"), low, atol=1e-9)
    np.testing.assert_allclose(column(table, f"{VALUE}_hi90"), high, atol=1e-9)
    np.testing.assert_allclose(column(table, f"{VALUE}_std"), 1.2 * raw.stds[0], rtol=1e-12)
    assert ((low < value) & (value < high)).all()


def test_intervals_widen_beyond_the_largest_size(table, routes, first, domain, solvents):
    small = domain.model_copy(update={"largest_fitted": 4})
    narrow = [routes[0], Route(routes[1].model, CALIBRATION, 0.0, small)]
    wide = LadderPredictor(narrow, first, UP, geometry_level="mmff94").predict(solvents)
    factor = 1.3 ** np.maximum(sizes(solvents) - 4, 0)
    assert 1.0 == factor.min() < factor.max()
    value = column(table, VALUE)
    assert column(wide, VALUE).tobytes() == value.tobytes()
    for ending in ("_lo90", "_hi90"):
        half = column(table, VALUE + ending) - value
        np.testing.assert_allclose(
            column(wide, VALUE + ending) - value, factor * half, atol=1e-9, rtol=1e-9
        )
    std = column(table, f"{VALUE}_std")
    np.testing.assert_allclose(column(wide, f"{VALUE}_std"), factor * std, rtol=1e-12)


def test_low_values_belong_to_rungs_alone(ladder, rung, given_b3lyp, solvents):
    with pytest.raises(ConfigError, match="needs ae0_b3lyp_kcal of each"):
        rung.predict(solvents)
    with pytest.raises(ConfigError, match="needs ae0_b3lyp_kcal of each"):
        rung.predict(solvents, {GFN2: given_b3lyp[B3LYP]})
    with pytest.raises(ConfigError, match="needs ae0_b3lyp_kcal of each"):
        rung.predict(solvents, {B3LYP: given_b3lyp[B3LYP][1:]})
    with pytest.raises(ConfigError, match="give no low values"):
        ladder.predict(solvents, given_b3lyp)


def test_gfn2_results_are_needed_by_ladders_alone(ladder, rung, given_b3lyp, solvents):
    bare = [Structure(s.atomic_numbers, s.positions) for s in solvents]
    assert rung.predict(bare, given_b3lyp).equals(rung.predict(solvents, given_b3lyp))
    with pytest.raises(ConfigError, match="energy_gfn2_ha"):
        ladder.predict(bare)


def test_routes_that_do_not_fit_together_are_refused(routes, rung, first):
    with pytest.raises(ConfigError, match=r"one geometry level .* mmff94, the next for gfn2-opt"):
        LadderPredictor(routes, first, UP, geometry_level="gfn2-opt")
    (own,) = rung.routes
    without = Route(own.model, CALIBRATION, 1.0, None)
    for route in (without, routes[1]):
        with pytest.raises(ConfigError, match="needs a domain and starts there"):
            LadderPredictor([route], None, LAST_RUNG, geometry_level="mmff94")


@pytest.mark.parametrize("size", [1, 7, 40])
def test_a_row_has_the_same_bytes_in_any_batch(ladder, solvents, strange, size):
    some = [*solvents, strange]
    order = np.random.default_rng(size).permutation(len(some))
    some = [some[row] for row in order[:20]]
    parts = [ladder.predict(some[start : start + size]) for start in range(0, len(some), size)]
    assert pa.concat_tables(parts).equals(ladder.predict(some))


def test_no_structures_give_an_empty_table_of_the_same_columns(
    ladder, table, rung, given_b3lyp, solvents
):
    assert ladder.predict([]).schema == table.schema
    assert ladder.predict([]).num_rows == 0
    empty = rung.predict([], {B3LYP: np.empty(0)})
    assert empty.schema == rung.predict(solvents, given_b3lyp).schema
    assert empty.num_rows == 0


@pytest.mark.parametrize("some", [("CO", "C=C"), ("FC(F)(F)C", "N#CC(F)(F)F")])
def test_what_is_added_is_size_extensive(ladder, rung, structure_of, some):
    one, other = (structure_of(smiles) for smiles in some)  # of one route
    given = made_up_b3lyp([one, other])
    pair = far_apart(one, other)
    together, apart = ladder.predict([pair]), ladder.predict([one, other])
    assert column(together, f"{VALUE}_delta")[0] == pytest.approx(
        column(apart, f"{VALUE}_delta").sum(), abs=5e-3
    )
    together = rung.predict([pair], {B3LYP: given[:1] + given[1:]})
    apart = rung.predict([one, other], {B3LYP: given})
    for name in (VALUE, f"{VALUE}_delta"):
        assert column(together, name)[0] == pytest.approx(column(apart, name).sum(), abs=5e-3)


def test_pose_and_atom_order_change_nothing(ladder, solvents):
    for structure in (solvents[3], next(s for s in solvents if 9 in s.atomic_numbers)):
        order = np.random.default_rng(1).permutation(structure.n_atoms)
        turned = Rotation.from_euler("xyz", [0.3, 1.1, -2.0]).apply(structure.positions[order])
        posed = Structure(
            structure.atomic_numbers[order], turned.astype(np.float32), structure.values
        )
        table = ladder.predict([structure, posed])
        for ending in ENDINGS:
            one, other = column(table, VALUE + ending)
            assert other == pytest.approx(one, abs=5e-3)  # positions are float32
