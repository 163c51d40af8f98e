"""Models that read drawings: fitted on made-up labels that fragments tell."""

from pathlib import Path

import numpy as np
import pytest
from model_fixtures import SOLVENTS
from rdkit import Chem
from rdkit.Chem.rdMolDescriptors import CalcNumHBD

from screener.errors import ConfigError, SchemaError
from screener.models.bundle import load_bundle
from screener.models.morgan_gp.model import MorganGpEvaluator, from_arrays, to_arrays
from screener.models.targets import Targets, targets_of
from screener.training.evaluate import composition_baseline, held_out
from screener.training.fit.calibrate import FittedModel
from screener.training.fit.data import FitData, FitSets
from screener.training.fit.morgan_gp import MorganGpSettings, fit_morgan_gp
from screener.training.fit.save import save_bundle
from screener.training.tables.names import QuantityConfig, names_of

BOILING, FORMATION = "boiling_point_k", "heat_of_formation_kcal"
NITRILE = Chem.MolFromSmarts("C#N")
ENDS = ["C", "CC", "CCC", "C(C)C", "CCCC", "CC=C", "CCO"]
GROUPS = ["O{}", "CO{}", "N#C{}", "O=C{}", "CC(=O){}", "COC(=O){}", "NC{}", "CN(C){}", "OCC{}",
          "COCO{}", "C1CC1{}", "C=C{}", "CS{}", "FC{}", "CCC{}"]  # fmt: skip


@pytest.fixture(scope="module")
def targets() -> Targets:
    quantities = {
        "boiling_point": QuantityConfig(unit="K", lower=0.0),
        "heat_of_formation": QuantityConfig(unit="kcal/mol", extensive=True),
    }
    names = names_of({}, quantities)
    return targets_of([names.column(BOILING), names.column(FORMATION)])


def labels(smiles: list[str]) -> dict[str, np.ndarray]:
    """A value that size and polar groups decide, and one that is a sum over bonds."""
    boiling, formation = [], []
    for text in smiles:
        molecule = Chem.AddHs(Chem.MolFromSmiles(text))
        donors = CalcNumHBD(molecule)
        nitriles = len(molecule.GetSubstructMatches(NITRILE))
        size = np.sqrt(molecule.GetNumHeavyAtoms())
        boiling.append(150.0 + 40.0 * size + 60.0 * donors + 50.0 * nitriles)
        formation.append(
            sum(
                -5.0 * bond.GetBeginAtom().GetAtomicNum() + 3.0 * bond.GetEndAtom().GetAtomicNum()
                for bond in molecule.GetBonds()
            )
        )
    return {BOILING: np.array(boiling), FORMATION: np.array(formation)}


def of(smiles: list[str]) -> FitData:
    return FitData((), labels(smiles), smiles)


@pytest.fixture(scope="module")
def smiles() -> list[str]:
    made = [Chem.CanonSmiles(group.format(end)) for end in ENDS for group in GROUPS]
    known = [*made, *map(Chem.CanonSmiles, SOLVENTS)]
    unique = np.array(list(dict.fromkeys(known)))
    return np.random.default_rng(0).permutation(unique).tolist()


@pytest.fixture(scope="module")
def sets(smiles, targets) -> FitSets:
    return FitSets(of(smiles[60:]), of(smiles[:20]), of(smiles[20:60]), targets, "drawing")


@pytest.fixture(scope="module")
def fitted(sets) -> FittedModel:
    return fit_morgan_gp(sets, MorganGpSettings(min_seen=1, outside=0.0))


@pytest.fixture(scope="module")
def bundle_path(fitted, smiles, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bundles") / "drawn"
    save_bundle(
        folder, fitted, name="drawn", n_conformers=1, data={}, splits={}, seeds={}, metrics={},
        golden=smiles[:4],
    )  # fmt: skip
    return folder


def test_it_beats_composition_on_molecules_it_has_not_seen(fitted, sets, targets):
    metrics = held_out(fitted.predictor, sets.calibration)
    simple = composition_baseline(sets.fit, sets.calibration, targets)
    for name in (BOILING, FORMATION):
        assert metrics[name]["n"] > 10
        assert metrics[name]["mae"] < 0.7 * simple[name]["mae"], name


def test_a_bundle_needs_neither_structures_nor_the_configuration(bundle_path, fitted, smiles):
    bundle = load_bundle(bundle_path)
    assert bundle.predict(smiles).equals(fitted.predict(smiles))
    card = bundle.card
    assert (card.reads, card.geometry_level, card.low) == ("drawings", "drawing", None)
    column = card.columns()[BOILING]
    assert (column.quantity.name, column.unit, column.quantity.lower) == ("boiling_point", "K", 0.0)
    assert card.quantities[FORMATION].extensive
    assert bundle.predict([]).schema.equals(bundle.predict(smiles[:1]).schema)


def test_structures_are_refused(bundle_path, solvents):
    with pytest.raises(ConfigError, match="reads drawings: give it SMILES"):
        load_bundle(bundle_path).predict(solvents[:1])


def test_a_row_has_the_same_bytes_in_any_batch(fitted, smiles):
    whole = fitted.predict(smiles)
    order = np.random.default_rng(1).permutation(len(smiles))
    shuffled = fitted.predict([smiles[row] for row in order])
    assert shuffled.equals(whole.take(order))
    assert fitted.predict([smiles[7]]).equals(whole.slice(7, 1))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("CCBr", "has bromine, which the model never saw"),
        ("C[N+](C)(C)C", "charge of +1"),
        ("C[CH2]", "unpaired electrons"),
        (
            "FC(F)CO",
            "has a carbon bonded to C, F, F and H, as in no molecule that the model was fitted to",
        ),
        ("C" * 30, "has 30 heavy atoms, and the model speaks of at most"),
        ("not a molecule", "RDKit cannot read"),
    ],
)
def test_what_it_cannot_know_is_outside(fitted, text, reason):
    row = fitted.predict([text]).to_pylist()[0]
    assert not row["in_domain"]
    assert row[BOILING] is None
    assert reason in row["domain_reasons"]


def test_molecules_of_other_fragments_are_far_and_uncertain(fitted, sets):
    evaluator = MorganGpEvaluator(fitted.predictor.model)
    known = [Chem.MolFromSmiles(text) for text in sets.fit.smiles[:20]]
    strange = [Chem.MolFromSmiles("O=S1(=O)OCc2ccccc2O1")]
    near, far = evaluator.predict(known), evaluator.predict(strange)
    assert near.distances.max() == pytest.approx(0.0, abs=1e-9)  # all of them are known
    assert far.distances[0] > 0.6
    assert (far.stds[0, 0] > 2.0 * near.stds[:, 0]).all()


def test_sums_over_atoms_add_up(fitted):
    one, other = Chem.MolFromSmiles("CCO"), Chem.MolFromSmiles("COC(C)=O")
    both = Chem.CombineMols(one, other)
    Chem.SanitizeMol(both)
    values = MorganGpEvaluator(fitted.predictor.model).predict([one, other, both]).values
    assert values[2, 1] == pytest.approx(values[0, 1] + values[1, 1], abs=1e-9)


def test_few_known_molecules_stand_for_many(sets):
    sparse = fit_morgan_gp(sets, MorganGpSettings(n_known=60, min_seen=1))
    assert len(sparse.predictor.model.known) == 60
    metrics = held_out(sparse.predictor, sets.calibration)
    assert 0.7 < metrics[BOILING]["coverage90"] <= 1.0


def test_broken_arrays_are_refused(fitted):
    model = fitted.predictor.model
    description = {"elements": model.elements, "extensive": model.extensive}
    arrays = to_arrays(model)
    for name in arrays:
        with pytest.raises(SchemaError):
            from_arrays({k: v for k, v in arrays.items() if k != name}, description)
    columns = arrays["morgan.columns"].copy()
    columns[0] = len(model.vocabulary)
    with pytest.raises(SchemaError, match="vocabulary"):
        from_arrays({**arrays, "morgan.columns": columns}, description)
    with pytest.raises(SchemaError, match="sums and means"):
        from_arrays(arrays, {**description, "extensive": (True, True)})
