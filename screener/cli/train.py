"""`screener labels` and `screener train`: make the training data and the shipped bundles again.

The heavy parts are imported by the commands that use them, so that help answers at once.
"""

import logging
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from screener.errors import ConfigError

console = Console(stderr=True)


def labels(
    workers: Annotated[
        int | None, typer.Option(help="Worker processes; default: one per core.")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a running Dask scheduler.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Make only these kinds of structures.")
    ] = None,
) -> None:
    """Make the training labels in $SCREENER_HOME; run again, it makes what is missing."""
    from screener.cluster.factory import connect
    from screener.training import labels as making
    from screener.training.dataset import committed_splits

    kinds = tuple(only or making.KINDS)
    for kind in kinds:
        if kind not in making.KINDS:
            raise ConfigError(f"there is no kind {kind!r} of labels; there are {making.KINDS}")
    with connect(scheduler, workers) as client, Progress(console=console) as progress:
        bar = progress.add_task("stereochemistry", total=None)
        molecules = making.restore_all(client, lambda n: progress.advance(bar, n))
        for kind in kinds:
            bar = progress.add_task(kind, total=sum(making.WANTED[kind].values()))
            making.make_structures(
                client,
                kind,
                molecules,
                committed_splits(),
                lambda n, bar=bar: progress.advance(bar, n),
            )
    console.print(f"labels are in {making.labels_folder().url}")


def train(
    name: Annotated[str, typer.Argument(help="A shipped bundle, such as qm9-gfn2opt-delta.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder; default: where the package ships it.")
    ] = None,
) -> None:
    """Fit, calibrate, test and write a bundle, from the labels that `screener labels` made."""
    from screener.training.train import RECIPES, recipe
    from screener.training.train import train as fit

    names = [known.name for known in RECIPES]
    if name not in names:
        raise ConfigError(f"there is no recipe for {name!r}; there are {', '.join(names)}")
    logging.getLogger("screener").setLevel(logging.INFO)
    target = out or Path(str(files("screener.data"))) / "bundles" / name
    metrics = fit(recipe(name), target)
    table = Table(
        "quantity", "MAE", "RMSE", "within 90 %", title=f"{name}: test, from SMILES alone"
    )
    for quantity, values in metrics.items():
        if "mae" in values:
            table.add_row(
                quantity,
                f"{values['mae']:.3f}",
                f"{values['rmse']:.3f}",
                f"{values['coverage90']:.3f}",
            )
    Console().print(table)
    console.print(f"the bundle is in {target}")


def register(app: typer.Typer) -> None:
    """Add the commands to the `screener` command."""
    for command in (labels, train):
        app.command()(command)
