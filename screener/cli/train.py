"""`screener labels`, `train` and `models`: make training data and bundles, show their errors.

The heavy parts are imported by the commands that use them, so that help answers at once.
"""

import logging
from collections.abc import Iterator
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

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
        molecules = making.restore_all(client, partial(progress.advance, bar))
        for kind in kinds:
            bar = progress.add_task(kind, total=sum(making.WANTED[kind].values()))
            making.make_structures(
                client, kind, molecules, committed_splits(), partial(progress.advance, bar)
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
    fit(recipe(name), target)
    _print_errors(str(target))


def models(
    name: Annotated[str | None, typer.Argument(help="A bundle's name or folder.")] = None,
) -> None:
    """Print the held-out errors of the shipped bundles, or of one bundle, from their cards."""
    from screener.models.bundle import shipped_bundles

    for each in [name] if name else shipped_bundles():
        _print_errors(each)


def _print_errors(name_or_path: str) -> None:
    from screener.models.bundle import load_bundle

    card = load_bundle(name_or_path).card
    for test, metrics in _flat(card.metrics):
        table = Table("quantity", "n", "MAE", "RMSE", "in 90 %", title=f"{card.name}: {test}")
        for quantity, values in metrics.items():
            if "mae" not in values:
                continue
            covered = values.get("coverage90")
            table.add_row(
                quantity,
                f"{values['n']:.0f}",
                f"{values['mae']:.3f}",
                f"{values['rmse']:.3f}",
                "" if covered is None else f"{100 * covered:.1f} %",
            )
        Console().print(table)


def _flat(metrics: dict[str, Any]) -> Iterator[tuple[str, dict[str, dict[str, float]]]]:
    """The tables of errors in a card, those within another under both names."""
    for name, found in metrics.items():
        values = list(found.values())
        if values and all(isinstance(each, dict) for each in values):
            if all(isinstance(inner, dict) for each in values for inner in each.values()):
                yield from ((f"{name}: {part}", inner) for part, inner in found.items())
            else:
                yield name, found


def register(app: typer.Typer) -> None:
    """Add the commands to the `screener` command."""
    for command in (labels, train, models):
        app.command()(command)
