"""Shipped bundles pass the checks of models; one that is wrong in one way does not."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from screener.chemistry.identity import mol_id
from screener.chemistry.structures import StructureSettings, make_structure
from screener.models.bundle import Bundle, load_bundle
from screener.models.shipped import shipped_bundles
from screener.testing import check_model
from screener.testing.models import MOLECULES

LABELLED = "ae0_b3lyp_kcal"  # what a rung above B3LYP is given
LONG = "gfn2opt-to-g4mp2"  # loads and predicts for seconds


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(each, marks=[pytest.mark.slow] if each == LONG else [])
        for each in shipped_bundles()
    ],
)
def test_shipped_bundle(name):
    bundle = load_bundle(name)
    if bundle.card.low != "b3lyp":
        check_model(bundle)
        return
    settings = StructureSettings.at("gfn2-opt")  # as near to those of B3LYP as can be made here
    structures = [make_structure(each, mol_id(each), settings) for each in MOLECULES]
    low = load_bundle("qm9-gfn2opt-delta").predict(structures)[LABELLED].to_numpy()
    check_model(bundle, structures=structures, low={LABELLED: np.asarray(low)})


class Broken(Bundle):
    """A right bundle whose tables are changed."""

    def __init__(self, bundle, change):
        super().__init__(bundle.card, bundle.digest, lambda: bundle.predictor)
        self.change = change
        self.n = 0

    def predict(self, molecules, low=None):
        self.n += 1
        return self.change(super().predict(molecules, low), molecules, self.n)


def put(name, function):
    """A change of one column."""

    def change(table, molecules, n):
        place = table.column_names.index(name)
        return table.set_column(place, name, function(table[name], molecules, n))

    return change


HOMO = "homo_b3lyp_ev"


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (lambda table, molecules, n: table.slice(1), "of 6 molecules it predicts 5"),
        (lambda table, molecules, n: table.drop_columns([f"{HOMO}_lo90"]), f"{HOMO}_lo90 are miss"),
        (put("domain_reasons", lambda column, *_: pa.array(["far"] * len(column))), "a reason"),
        (put(HOMO, lambda column, *_: pc.cast(column, pa.float32())), "is float, not double"),
        (put(HOMO, lambda column, *_: pa.array([None] * len(column), pa.float64())), "no number"),
        (put(f"{HOMO}_std", lambda column, *_: pc.negate(column)), "_std is not positive"),
        (put(HOMO, lambda column, *_: pc.add(column, 100.0)), "outside its own interval"),
        (
            lambda table, molecules, n: put(f"{HOMO}_lo90", lambda *_: table[HOMO])(
                put(f"{HOMO}_hi90", lambda *_: table[HOMO])(table, molecules, n), molecules, n
            ),
            "an interval of homo_b3lyp_ev is empty",
        ),
        (put(f"{HOMO}_std", lambda column, _, n: pc.multiply(column, 1.0 + n)), "second time"),
        (
            put(f"{HOMO}_hi90", lambda column, *_: pc.add(column, 0.1 * len(column))),
            "alone and among others",
        ),
        (
            put(f"{HOMO}_hi90", lambda column, molecules, _: pc.add(
                column, pa.array([float(abs(each.positions[0, 0])) for each in molecules]))),
            "turned, with its atoms in another order",
        ),
        (
            put(f"{HOMO}_hi90", lambda column, *_: pc.add(column, pa.array(
                [0.1 * place if len(column) > 1 else 0.0 for place in range(len(column))]))),
            "alone and among others|in another order of molecules",
        ),
        (
            put(f"{HOMO}_hi90", lambda column, molecules, _: pc.add(
                column, float(any(34 in each.atomic_numbers for each in molecules)))),
            "beside C.Se.C, which is outside",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(change, wrong, tiny_bundles):
    with pytest.raises(AssertionError, match=wrong):
        check_model(Broken(load_bundle(tiny_bundles.direct), change))


@pytest.mark.parametrize(
    ("name", "shift", "wrong"),
    [
        (HOMO, 60.0, "is it in another unit"),
        ("dipole_b3lyp_debye", -100.0, "lies outside of what nature allows"),
    ],
)
def test_units_and_bounds(name, shift, wrong, tiny_bundles):
    def change(table, molecules, n):
        for end in ("", "_lo90", "_hi90"):
            table = put(name + end, lambda column, *_: pc.add(column, shift))(table, molecules, n)
        return table

    with pytest.raises(AssertionError, match=wrong):
        check_model(Broken(load_bundle(tiny_bundles.direct), change))


def test_ions_may_not_be_inside(tiny_bundles, monkeypatch):
    from screener.testing import models

    bundle = load_bundle(tiny_bundles.direct)
    everything = put("in_domain", lambda column, *_: pa.array([True] * len(column)))
    monkeypatch.setattr(models, "closed_shells_alone", lambda table, *_: everything(table, [], 0))
    with pytest.raises(AssertionError, match="an ion or a radical, is inside its domain"):
        check_model(bundle)


def test_less_than_two_molecules_inside_show_nothing(tiny_bundles):
    with pytest.raises(AssertionError, match=r"less than two of .* lie inside"):
        check_model(tiny_bundles.direct, ["CCO", "C[Se]C"])
