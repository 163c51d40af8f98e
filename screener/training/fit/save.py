"""Writing a fitted model as a bundle."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from screener.models.bundle import Bundle, golden_rows, write_bundle
from screener.models.card import (
    INTERVALS,
    ZERO_POINT,
    Card,
    QuantityCard,
    installed_versions,
)
from screener.models.quantities import GAP, PREDICTED
from screener.models.registry import form_of, to_arrays
from screener.models.sparse_gp.arrays import structures_to_arrays
from screener.records import Structure
from screener.training.fit.calibrate import FittedModel
from screener.units import SYMBOLS


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
    golden: Sequence[Structure],
) -> Bundle:
    """Write a bundle and load it again.

    Args:
        folder: made if missing; its two files are replaced.
        fitted: what a fit returned.
        name: of the bundle.
        n_conformers: that structures are chosen from, as at calibration.
        data, splits, seeds, metrics: JSON values for the card.
        golden: a few structures whose predictions loading checks.
    Raises:
        StoreError: the folder cannot be written.
    """
    predictor = fitted.predictor
    arrays = to_arrays(predictor.model) | structures_to_arrays(list(golden))
    delta = predictor.kind == "delta"
    card = Card(
        name=name,
        model=form_of(predictor.model),
        kind=predictor.kind,
        geometry_level=predictor.geometry_level,
        n_conformers=n_conformers,
        low="gfn2" if delta else None,
        high="b3lyp",
        zero_point=ZERO_POINT[predictor.kind],
        elements=tuple(SYMBOLS[number] for number in predictor.domain.elements),
        quantities={
            quantity.name: QuantityCard(
                unit=quantity.unit,
                extensive=quantity.extensive,
                low=quantity.low if delta else None,
                derived=quantity is GAP,
                calibration=predictor.calibration[quantity.name],
            )
            for quantity in PREDICTED
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
        model_sha256="",
    )
    return write_bundle(folder, card, arrays)
