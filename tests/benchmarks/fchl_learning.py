"""The sparse model with one fixed number of environments, trained on more and more molecules.

    python tests/benchmarks/fchl_learning.py FOLDER [--molecules 1000 10000 100000]

QM9 at B3LYP geometries, direct. Prints held-out errors and, on one thread, predictions per second
with representation and without. Normal equations are kept in FOLDER every few minutes and models
when they are done: the same command goes on where it was interrupted.
"""

import argparse
import logging
import os
import statistics
import time
from pathlib import Path

import numpy as np
from qm9_sets import first
from rich.console import Console
from rich.table import Table
from safetensors.numpy import load_file, save_file

from screener.execution.threads import one_thread
from screener.models.arrays import model_from_arrays, model_to_arrays
from screener.models.fit import FitSettings, fit_model
from screener.models.fit_data import training_metric
from screener.models.model import Evaluator
from screener.models.quantities import FITTED
from screener.training.checkpoint import FolderProgress

N_SELECTION, N_CALIBRATION, N_TEST = 1_000, 1_000, 2_000
N_TIMED = 512


def main() -> None:
    arguments = parsed()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    settings = FitSettings(
        n_inducing=arguments.environments,
        n_components=arguments.components,
        widths=(arguments.width,),
        n_difficulty=2_000,
    )
    for n in arguments.molecules:
        train(n, settings, arguments.folder, arguments.workers)
    one_thread()
    Console().print(report(arguments.molecules, settings, arguments.folder, arguments.rounds))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--molecules", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--environments", type=int, default=6_000)
    parser.add_argument("--components", type=int, default=128)
    parser.add_argument("--width", type=float, default=4.0)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


def stored(n: int, settings: FitSettings, folder: Path) -> Path:
    """Where the model of n molecules lies."""
    name = f"{n}-{settings.n_inducing}-{settings.n_components}-{settings.widths[0]:g}"
    return folder / f"{name}.safetensors"


def train(n: int, settings: FitSettings, folder: Path, workers: int) -> None:
    """Fit on n molecules and store the model, unless it is there."""
    path = stored(n, settings, folder)
    if path.exists():
        return
    progress = FolderProgress(folder / path.stem)
    started = time.monotonic()
    data = first("fit", n)
    fitted = fit_model(
        data,
        first("selection", N_SELECTION),
        first("calibration", N_CALIBRATION),
        settings,
        kind="direct",
        geometry_level="b3lyp",
        metric=training_metric(data, "direct"),
        workers=workers,
        progress=progress,
    )
    arrays = model_to_arrays(fitted.predictor.model)
    seconds = np.array([time.monotonic() - started])
    temporary = path.with_suffix(".partial")
    save_file({**arrays, "seconds": seconds}, temporary)
    temporary.replace(path)
    progress.clear()


def report(sizes: list[int], settings: FitSettings, folder: Path, n_rounds: int) -> Table:
    """Errors of all models on the same molecules, and rates of all in turn."""
    test = first("test", N_TEST)
    kept = {n: load_file(stored(n, settings, folder)) for n in sizes}
    models = {n: Evaluator(model_from_arrays(arrays)) for n, arrays in kept.items()}
    some = test.structures[:N_TIMED]
    seconds: dict[tuple[int, bool], list[float]] = {}
    for round_ in range(n_rounds + 1):  # the first is unheard
        for n, model in models.items():
            projected = model.projected(some)
            for whole in (True, False):
                started = time.perf_counter()
                if whole:
                    model.predict(some)
                else:
                    model.predict_projected(projected)
                if round_:
                    seconds.setdefault((n, whole), []).append(time.perf_counter() - started)
    table = Table(title=f"{settings.n_inducing} environments, {N_TEST} test molecules")
    columns = ("fitted on", *(f"MAE {name}" for name in FITTED), "molecules/s", "without repr.")
    for name in (*columns, "fit, s"):
        table.add_column(name, justify="right")
    for n, model in models.items():
        values = model.predict(test.structures).values
        truth = np.stack([test.high[name] for name in FITTED], axis=1)
        errors = np.abs(values - truth).mean(axis=0)
        rates = [len(some) / statistics.median(seconds[n, whole]) for whole in (True, False)]
        took = f"{kept[n]['seconds'][0]:.0f}"
        table.add_row(f"{n:,}", *(f"{e:.3f}" for e in errors), *(f"{r:.0f}" for r in rates), took)
    return table


if __name__ == "__main__":
    main()
