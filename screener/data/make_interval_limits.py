"""Write into the cards of the shipped bundles how wide an interval may be and still be an answer.

    python screener/data/make_interval_limits.py

The limits follow from the labels that each bundle was fitted to, as `screener train` finds them
(`screener.training.fit.calibrate`). Needs `qm9pack` and the reference data in the folder that
`SCREENER_REFERENCE_DATA` names. Arrays and all else in the cards stay as they are.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from screener.errors import ConfigError
from screener.models.baseline import composition
from screener.models.bundle import load_bundle
from screener.models.bundle_files import CARD, read_card
from screener.models.card import Card
from screener.models.ladder.predictor import LadderPredictor
from screener.models.shipped import G4MP2_LADDER, QM9_DELTA, shipped_bundles, shipped_folder
from screener.records import Structure
from screener.stores.files import Folder
from screener.training.fit.calibrate import max_width90, widest_intervals
from screener.training.g4mp2 import reference
from screener.training.g4mp2.reference import ReferenceMolecule
from screener.training.qm9 import committed
from screener.training.qm9.dataset import HIGH, committed_splits
from screener.training.qm9.labels import chosen
from screener.training.qm9.train import RECIPES, recipe

FloatArray = NDArray[np.float64]


def of_qm9(name: str) -> dict[str, float]:
    """Limits of a bundle that was fitted to QM9, by column."""
    made = recipe(name)
    rows = chosen(committed_splits(), {"fit": made.n_fit})
    rows = rows[committed.scalars(made.fitted_on).loc[rows, "made"].to_numpy()]
    entries = [committed.entries()[row] for row in rows.tolist()]
    labels = {column: np.array([getattr(each, column) for each in entries]) for column in HIGH}
    elements = sorted({int(number) for each in entries for number in each.atomic_numbers})
    counts = np.array(
        [[np.count_nonzero(each.atomic_numbers == number) for number in elements]
         for each in entries],
        dtype=np.float64,
    )  # fmt: skip
    return widest_intervals(made.targets, labels, counts)


def of_g4mp2(name: str) -> list[dict[str, float]]:
    """Limits of each route of a bundle that was fitted to G4(MP2) values, by column."""
    card, predictor = read_card(name), load_bundle(name).predictor
    assert isinstance(predictor, LadderPredictor)
    source = reference.ppe() if card.first is not None else reference.overlap()
    sound = [each for each in source if not each.suspect]
    value = next(iter(card.quantities))
    limits = []
    for route in predictor.routes:
        structures = route.model.structures
        counts = composition(structures, route.model.elements)
        labels = _labels(structures, sound)
        limits.append({value: max_width90(labels, counts, extensive=True)})
    return limits


def _labels(structures: Sequence[Structure], sound: Sequence[ReferenceMolecule]) -> FloatArray:
    """G4(MP2) values of the structures that a model holds: those of the sound reference molecules,
    by composition, but for a few that have no structure; isomers are as many here as there."""
    values: dict[bytes, list[float]] = {}
    for molecule in sound:
        values.setdefault(_composition(molecule.structure), []).append(molecule.ae0_g4mp2_kcal)
    labels = [values.get(_composition(each), []) for each in structures]
    if not all(labels):
        raise ConfigError("the reference data are not those that the bundle was fitted to")
    return np.array([each.pop(0) for each in labels])


def _composition(structure: Structure) -> bytes:
    return np.sort(structure.atomic_numbers).tobytes()


def with_limits(card: Card, limits: Mapping[str, float], routes: Sequence[float]) -> Card:
    """The card with limits, by column, and those of its routes."""
    quantities = {
        name: each.model_copy(
            update={"calibration": each.calibration.model_copy(
                update={"max_width90": limits[name]})}
        )
        for name, each in card.quantities.items()
    }  # fmt: skip
    own = [
        each.model_copy(
            update={"calibration": each.calibration.model_copy(update={"max_width90": limit})}
        )
        for each, limit in zip(card.routes, routes, strict=True)
    ]
    # rows that were inside are outside now: campaigns that were begun before are not resumed
    return card.model_copy(update={"quantities": quantities, "routes": tuple(own), "same_as": ()})


if __name__ == "__main__":
    by_column = {each.name: of_qm9(each.name) for each in RECIPES}
    by_route: dict[str, list[dict[str, float]]] = {}
    for bundle in shipped_bundles():
        if bundle not in by_column:
            by_route[bundle] = of_g4mp2(bundle)
    for bundle in shipped_bundles():
        routes = by_route.get(bundle, [])
        limits = by_column.get(bundle) or dict(routes[0])
        if bundle == G4MP2_LADDER:
            limits |= by_column[QM9_DELTA]
        card = with_limits(
            read_card(bundle), limits, [next(iter(each.values())) for each in routes]
        )
        text = card.model_dump_json(indent=1) + "\n"
        Folder(shipped_folder(bundle)).write_bytes(CARD, text.encode())
        print(bundle, {name: round(limit, 3) for name, limit in limits.items()})
