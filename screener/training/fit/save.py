"""Writing a fitted model as a bundle."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from screener.models.bundle import Bundle, write_bundle
from screener.models.bundle_model import golden_rows
from screener.models.card import INTERVALS, Card, QuantityCard, installed_versions
from screener.models.drawing_predictor import DrawingPredictor
from screener.models.registry import model_type
from screener.models.stored_structures import golden_to_arrays
from screener.models.targets import Targets
from screener.registry.columns import column
from screener.registry.elements import symbol_of
from screener.registry.own_quantities import ATOMIZATION_ENERGY_0K, BINDING_ENERGY
from screener.training.fit.calibrate import FittedModel


def save_bundle(
    folder: str | Path,
    fitted: FittedModel,
    *,
    name: str,
    n_conformers: int,
    data: dict[str, Any],
    splits: dict[str, Any],
    seeds: dict[str, Any],
    metrics: dict[str, Any],
    golden: Sequence[Any],
    zero_point: str | None = None,
) -> Bundle:
    """Write a bundle and load it again.

    Args:
        folder: made if missing; its two files are replaced.
        fitted: what a fit returned.
        name: of the bundle.
        n_conformers: that structures are chosen from, as at calibration.
        data, splits, seeds, metrics: JSON values for the card.
        golden: a few structures, or SMILES where the model reads drawings, whose predictions
            loading checks.
        zero_point: what energies contain; None for what the columns themselves say.
    Returns:
        the bundle, loaded from the folder.
    Raises:
        StoreError: the folder cannot be written.
    """
    predictor = fitted.predictor
    kind, targets = model_type(predictor.model_type), predictor.targets
    reads_drawings = isinstance(predictor, DrawingPredictor)
    arrays = kind.to_arrays(predictor.model)
    if not reads_drawings:
        arrays = arrays | golden_to_arrays(golden)
    low = {column(each.low).theory for each in targets.all if each.low is not None}
    high = dict.fromkeys(each.column.theory for each in targets.fitted)
    card = Card(
        name=name,
        model=kind.name,
        reads=kind.reads,
        kind=targets.kind,
        geometry_level=predictor.geometry_level,
        n_conformers=n_conformers,
        low=", ".join(sorted(low)) or None,
        high=", ".join(filter(None, high)),
        zero_point=zero_point_of(targets) if zero_point is None else zero_point,
        elements=tuple(symbol_of(number) for number in fitted.elements),
        quantities={
            each.name: QuantityCard.of(each, predictor.calibration[each.name])
            for each in targets.all
        },
        domain=predictor.domain,
        intervals=INTERVALS,
        fit=fitted.report,
        data=data,
        splits=splits,
        seeds=seeds,
        metrics=metrics,
        versions=installed_versions(),
        golden=golden_rows(predictor.predict(golden)),
        golden_smiles=tuple(golden) if reads_drawings else (),
        shapes={},
        model_sha256="",
    )
    return write_bundle(folder, card, arrays)


def zero_point_of(targets: Targets) -> str:
    """Which atomization energies of a model contain the zero-point energy; empty without any."""
    sentences = []
    for each in targets.fitted:
        name = each.column.quantity.name
        if name == ATOMIZATION_ENERGY_0K.name:
            sentences.append(
                f"{each.name} is free atoms minus molecule at 0 K; the molecule's energy contains "
                "the zero-point energy."
            )
            if each.low is not None and column(each.low).quantity == BINDING_ENERGY:
                sentences.append(
                    f"{each.low} contains no zero-point energy, so the learned difference contains "
                    "it."
                )
        elif name == BINDING_ENERGY.name:
            sentences.append(f"{each.name} is free atoms minus molecule without zero-point energy.")
    return " ".join(sentences)
