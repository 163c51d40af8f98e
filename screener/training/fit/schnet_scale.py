"""Fitting SchNet to labelled molecules: standardised targets in, a network with their scale out.

`schnet_training` takes the steps; here checkpoints are kept when they are due, and the log says how
far it is.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from screener.models.baseline import Scale, baseline, composition, fit_baseline
from screener.models.schnet.neighbours import neighbours
from screener.models.schnet.network import SchNet
from screener.models.schnet.scale import Fitted
from screener.records import Structure
from screener.training.fit.progress import NoProgress, Progress, fingerprint
from screener.training.fit.schnet_training import (
    Checkpoint,
    LabelledNeighbours,
    Step,
    Training,
    TrainingSettings,
)

log = logging.getLogger(__name__)

FloatArray = NDArray[np.float64]

REPORT_S = 10.0  # seconds between reports within an epoch


@dataclass(frozen=True, slots=True)
class Report:
    """How far a training is."""

    step: Step
    loss: float  # mean since the last report
    selection_mae: tuple[float, ...] | None  # in the targets' units, after an epoch
    molecules_per_s: float  # since the last report


def fit_scale(
    structures: Sequence[Structure], targets: FloatArray, extensive: Sequence[bool]
) -> Scale:
    """Baselines and factors of the training molecules.

    Args:
        structures: molecules.
        targets: float64 (n, n_targets), in their units.
        extensive: (n_targets,), whether a target is a sum over atoms.
    Returns:
        the scale of every target.
    """
    elements = tuple(sorted({int(n) for each in structures for n in each.atomic_numbers}))
    counts = composition(structures, elements)
    baselines = np.stack(
        [
            fit_baseline(counts, column, extensive=kind)
            for column, kind in zip(targets.T, extensive, strict=True)
        ]
    )
    left = targets - np.stack([baseline(counts, row) for row in baselines], axis=1)
    return Scale(elements, baselines, np.sqrt((left**2).mean(axis=0)))


def fit_schnet(
    fit: tuple[Sequence[Structure], FloatArray],
    selection: tuple[Sequence[Structure], FloatArray],
    settings: TrainingSettings,
    *,
    progress: Progress | None = None,
    report: Callable[[Report], None] = lambda report: None,
) -> Fitted:
    """Train a network; returns its averaged weights that were best on the selection set.

    Args:
        fit: structures that are learned and their targets, float64 (n, n_targets), in their units.
        selection: the same of molecules that weights are chosen on.
        settings: of the training.
        progress: keeps checkpoints; the same training goes on from the last one.
        report: told every `REPORT_S` seconds and after each epoch.
    Returns:
        the network and its scale.
    Raises:
        ConfigError: targets are not finite.
    """
    progress = progress or NoProgress()
    scale = fit_scale(*fit, settings.network.extensive)
    cutoff = settings.network.cutoff
    sets = [
        LabelledNeighbours(neighbours(structures, cutoff), scale.standardised(structures, targets))
        for structures, targets in (fit, selection)
    ]
    name = _name(sets, settings)
    kept = progress.load(name)
    checkpoint = None if kept is None else Checkpoint.from_arrays(kept)
    training = Training(sets[0], sets[1], settings, checkpoint)
    reported_at = time.monotonic()
    losses: list[float] = []
    n_before = training.n_molecules
    for step in training.run():
        losses.append(step.loss)
        now = time.monotonic()
        if step.selection_mae is not None or now - reported_at >= REPORT_S:
            mae = step.selection_mae and tuple(step.selection_mae * scale.factors)
            rate = (step.n_molecules - n_before) / max(now - reported_at, 1e-9)
            told_of = Report(step, sum(losses) / len(losses), mae, rate)
            report(told_of)
            _log(told_of)
            reported_at, n_before, losses = now, step.n_molecules, []
        if progress.due():
            progress.save(name, training.checkpoint().to_arrays())
    progress.save(name, training.checkpoint().to_arrays())
    network = SchNet(settings.network)
    network.load_state_dict(training.best())
    return Fitted(network.requires_grad_(False), scale)


def _name(sets: Sequence[LabelledNeighbours], settings: TrainingSettings) -> str:
    """Of the checkpoints of this training and of no other."""
    text = np.frombuffer(settings.model_dump_json().encode(), dtype=np.uint8)
    data = [array for each in sets for array in (each.molecules.distances, each.targets)]
    return f"schnet-{fingerprint(text, *data)}"


def _log(report: Report) -> None:
    step = report.step
    errors = ""
    if report.selection_mae is not None:
        errors = ", selection MAE " + " ".join(f"{mae:.4g}" for mae in report.selection_mae)
    log.info(
        "epoch %d, step %d of %d, loss %.4f%s, %.0f molecules/s",
        step.epoch, step.step, step.n_steps, report.loss, errors,
        report.molecules_per_s,
    )  # fmt: skip
