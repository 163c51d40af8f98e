"""Molecules per second on one core, and what the framework costs.

    python tests/benchmarks/bench.py [--json FILE] [--only NAME ...]

Everything, scheduler, worker and chemistry process included, is bound to one core, so that the cost
of the framework cannot hide on another. The ways of doing the same work take turns; the figures are
medians; percentages are what a way takes beyond the plain loop, in time and in processor time. A
quiet machine is needed for differences of a percent.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import fchl
import geometries
import graphs
import inference
import pandas as pd
import potentials
import schnet
import standardisation
import surrogate_rate
from alternating import Comparison
from rich.console import Console
from rich.table import Table
from scene import Scene

from screener.cluster.factory import connect
from screener.cluster.settings import LocalSettings
from screener.errors import ConfigError
from screener.execution.threads import one_thread

EXAMPLE = files("screener") / "data" / "examples" / "battery-candidates.csv"

BENCHMARKS = {
    "standardise": lambda scene, n, rounds: standardisation.run(scene, n or 20_000, rounds),
    "mmff94": lambda scene, n, rounds: geometries.run(scene, "mmff94", n or 512, rounds),
    "gfn2-opt": lambda scene, n, rounds: geometries.run(scene, "gfn2-opt", n or 64, rounds),
    "levels": lambda scene, n, rounds: geometries.run_levels(scene, n or 128, rounds),
    "aimnet2": lambda scene, n, rounds: potentials.run(scene, n or 500, rounds),
    "direct": lambda scene, n, rounds: inference.run(scene, "qm9-mmff94-direct", n or 1024, rounds),
    "delta": lambda scene, n, rounds: inference.run(scene, "qm9-gfn2opt-delta", n or 64, rounds),
    "fchl-kernel": lambda scene, n, rounds: fchl.run_kernel(n or 200, rounds),
    "fchl": lambda scene, n, rounds: fchl.run_prediction(n or fchl.N_SPARSE, rounds),
    "schnet": lambda scene, n, rounds: schnet.run(n or 500, rounds),
    "schnet-training": lambda scene, n, rounds: schnet.run_training(rounds),
    "graphs": lambda scene, n, rounds: graphs.run(scene, n or 512, rounds),
    "features": lambda scene, n, rounds: surrogate_rate.run_features(
        n or surrogate_rate.N_MOLECULES, rounds
    ),
    "surrogate": lambda scene, n, rounds: surrogate_rate.run_prediction(
        n or surrogate_rate.N_MOLECULES, rounds
    ),
}
PACKAGES = ("dask", "distributed", "rdkit", "tblite", "torch", "numpy", "screener")


def main() -> None:
    arguments = parsed()
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    one_thread()
    console = Console(width=100)
    smiles = pd.read_csv(arguments.csv)["smiles"].tolist()
    comparisons: list[Comparison] = []
    with tempfile.TemporaryDirectory() as folder, connect(LocalSettings(workers=1)) as client:
        scene = Scene(client, Path(folder), smiles)
        for name in arguments.only or BENCHMARKS:
            try:
                comparison = BENCHMARKS[name](scene, arguments.molecules, arguments.rounds)
            except ConfigError as error:
                console.print(f"{name} is left out: {error}", style="yellow")
                continue
            comparisons.append(comparison)
            console.print(table_of(comparison, arguments.rounds))
    if arguments.json:
        arguments.json.write_text(json.dumps(as_json(comparisons, arguments.rounds), indent=1))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=Raw)
    parser.add_argument("--only", nargs="+", choices=list(BENCHMARKS), help="run these alone")
    parser.add_argument("--csv", default=str(EXAMPLE), help="with a column `smiles`")
    parser.add_argument("--molecules", type=int, help="how many of them; default: by benchmark")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    return parser.parse_args()


class Raw(argparse.RawDescriptionHelpFormatter):
    """Keeps the command in the description readable."""


def table_of(comparison: Comparison, n_rounds: int) -> Table:
    title = f"{comparison.n_molecules} molecules, {n_rounds} alternating rounds, one core"
    table = Table(title=title, title_justify="left")
    table.add_column("benchmark")
    table.add_column("way")
    table.add_column("molecules/s", justify="right")
    table.add_column("time, %", justify="right")
    table.add_column("CPU, %", justify="right")
    for row in comparison.rows():
        table.add_row(*row)
    return table


def as_json(comparisons: list[Comparison], n_rounds: int) -> dict[str, object]:
    return {
        "machine": platform.processor() or platform.machine(),
        "python": sys.version.split()[0],
        "versions": {package: version(package) for package in PACKAGES},
        "n_rounds": n_rounds,
        "comparisons": [comparison.as_json() for comparison in comparisons],
    }


if __name__ == "__main__":
    main()
