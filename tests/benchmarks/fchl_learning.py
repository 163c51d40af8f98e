"""Sparse models with one number of environments, trained on more and more molecules.

    for n in 1000 10000 100000; do screener train docs/accuracy/b3lyp-direct-fchl-$n.toml; done
    python tests/benchmarks/fchl_learning.py build/b3lyp-direct-fchl-*

Prints the held-out errors of their cards and, on one thread and in turn, predictions per second
with representation and without.
"""

import argparse
import statistics
import time

from qm9_sets import first
from rich.console import Console
from rich.table import Table

from screener.execution.threads import one_thread
from screener.models.bundle import load_bundle
from screener.models.sparse_gp.model import Evaluator
from screener.training.qm9.dataset import HIGH
from screener.training.qm9.train import TESTED

N_TIMED = 512


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundles", nargs="+")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    one_thread()
    Console(width=120).print(report(arguments.bundles, arguments.rounds))


def report(names: list[str], n_rounds: int) -> Table:
    """Errors of all models, and rates of all in turn."""
    bundles = sorted((load_bundle(name) for name in names), key=lambda b: b.card.data["fit"]["n"])
    models = [Evaluator(bundle.predictor.model) for bundle in bundles]
    some = first("test", N_TIMED).structures
    seconds: dict[tuple[int, bool], list[float]] = {}
    for round_ in range(n_rounds + 1):  # the first is unheard
        for number, model in enumerate(models):
            projected = model.projected(some)
            for whole in (True, False):
                started = time.perf_counter()
                if whole:
                    model.predict(some)
                else:
                    model.predict_projected(projected)
                if round_:
                    seconds.setdefault((number, whole), []).append(time.perf_counter() - started)
    table = Table(title=f"{N_TIMED} molecules in {n_rounds} alternating rounds, one thread")
    columns = ("fitted on", "environments", *(f"MAE {name}" for name in HIGH), "molecules/s")
    for column in (*columns, "without repr."):
        table.add_column(column, justify="right")
    for number, (bundle, model) in enumerate(zip(bundles, models, strict=True)):
        metrics = bundle.card.metrics[TESTED["b3lyp-gfn2"]]
        errors = [f"{metrics[name]['mae']:.3f}" for name in HIGH]
        rates = [len(some) / statistics.median(seconds[number, whole]) for whole in (True, False)]
        table.add_row(
            f"{bundle.card.data['fit']['n']:,}",
            f"{len(model.model.inducing.values):,}",
            *errors,
            *(f"{rate:.0f}" for rate in rates),
        )
    return table


if __name__ == "__main__":
    main()
