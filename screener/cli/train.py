"""`screener labels` and `train`: make training labels, and fit bundles.

The heavy parts are imported by the commands that use them, so that help answers at once.
"""

import logging
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from screener.cli.cluster import Cluster, Scheduler, Workers, cluster_settings
from screener.cli.evaluate import site
from screener.cli.help import shown
from screener.cli.models import errors_json, print_errors
from screener.cli.output import AsJson, print_json, say
from screener.errors import ConfigError

if TYPE_CHECKING:
    from screener.cluster.settings import ClusterSettings

console = Console(stderr=True)


def labels(
    library: Annotated[
        str | None,
        typer.Argument(help="Folder or URL of a library to label; default: the molecules of QM9."),
    ] = None,
    level: Annotated[
        str | None, typer.Option(help="Level whose values are the labels, such as b3lyp.")
    ] = None,
    geometry: Annotated[
        str, typer.Option(help="Level of the geometries that they are computed at.")
    ] = "aimnet2-opt",
    conformers: Annotated[
        int, typer.Option(min=1, help="Conformers embedded, of which one is labelled.")
    ] = 10,
    out: Annotated[Path | None, typer.Option(help="Folder for the labels of a library.")] = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    cluster: Cluster = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Of QM9: make only these kinds of structures.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make training labels of a library, or those of QM9 in $SCREENER_HOME.

    The same command again makes what is missing.
    """
    where = cluster_settings(cluster, scheduler, workers)
    if library is None:
        if level is not None or out is not None:
            raise ConfigError("--level and --out are for a library: name it")
        told = _labels_of_qm9(where, only)
    else:
        if level is None or out is None or only:
            raise ConfigError("labels of a library need --level and --out, and no --only")
        told = _labels_of_library(library, (level, geometry, conformers), out, where)
    if as_json:
        print_json(told)
    else:
        more = f", {told['n_set_aside']:,} set aside" if "n_set_aside" in told else ""
        say(f"labels are in {told['labels']}{more}", console)


def _labels_of_library(
    url: str, how: tuple[str, str, int], out: Path, where: "ClusterSettings"
) -> dict[str, str | int]:
    from screener.campaign.settings.stages import absolute
    from screener.chemistry.structures import StructureSettings
    from screener.stores.files import Folder
    from screener.stores.library import LibraryStore
    from screener.training.library_labels import FILES, library_labels

    level, geometry, conformers = how
    settings = StructureSettings.at(geometry, conformers, (level,))
    folder = Folder(absolute(str(out)))
    folder.require_writable()
    library = LibraryStore.open(absolute(url))
    with site(where) as place:
        made = library_labels(library, settings, place)
    made.write(folder)
    return {
        "labels": str(out / FILES[0]),
        "n_labels": made.table.num_rows,
        "set_aside": str(out / FILES[1]),
        "n_set_aside": len(made.quarantine),
    }


def _labels_of_qm9(where: "ClusterSettings", only: list[str] | None) -> dict[str, str | int]:
    from screener.cluster.factory import connect
    from screener.training.qm9 import labels as making
    from screener.training.qm9.dataset import committed_splits

    kinds = tuple(only or making.KINDS)
    for kind in kinds:
        if kind not in making.KINDS:
            raise ConfigError(f"there is no kind {kind!r} of labels; there are {making.KINDS}")
    with connect(where) as client, Progress(console=console) as progress:
        bar = progress.add_task("stereochemistry", total=None)
        molecules = making.restore_all(client, partial(progress.advance, bar))
        for kind in kinds:
            bar = progress.add_task(kind, total=sum(making.WANTED[kind].values()))
            making.make_structures(
                client, kind, molecules, committed_splits(), partial(progress.advance, bar)
            )
    return {"labels": making.labels_folder().url}


def train(
    what: Annotated[
        str,
        typer.Argument(help="A TOML file, or a shipped bundle, such as qm9-gfn2opt-delta."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder; default: as the file says, or where the package ships it."),
    ] = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    cluster: Cluster = None,
    as_json: AsJson = False,
) -> None:
    """Fit, calibrate, test and write a bundle, from your own labels or those of QM9.

    The same command again continues an interrupted one.
    """
    logging.getLogger("screener").setLevel(logging.INFO)
    if what.endswith(".toml"):
        target = _from_file(Path(what), out, cluster_settings(cluster, scheduler, workers))
    else:
        target = _shipped(what, out)
    if as_json:
        print_json(errors_json(str(target)))
    else:
        print_errors(str(target))


def _shipped(name: str, out: Path | None) -> Path:
    from screener.training.shipped import TRAINERS

    if name not in TRAINERS:
        raise ConfigError(
            f"there is no recipe for {name!r}; there are {', '.join(TRAINERS)}, and a file must "
            "end in .toml"
        )
    target = out or Path(str(files("screener.data"))) / "bundles" / name
    TRAINERS[name](target)
    return target


def _from_file(path: Path, out: Path | None, cluster: "ClusterSettings") -> Path:
    from screener.models.registry import model_type
    from screener.training.fit.model_types import settings_of
    from screener.training.qm9.train import Recipe
    from screener.training.qm9.train import train as fit
    from screener.training.tables.config import read_train_config
    from screener.training.tables.train import train_outside

    config = read_train_config(path)
    if out is not None:
        config = config.model_copy(update={"out": str(out)})
    if config.qm9 is None:
        with site(cluster) as here:
            train_outside(config, here)
        return Path(config.out)
    qm9 = config.qm9
    fit(
        Recipe(
            name=config.name,
            model=config.model,
            low=config.low_theory,
            geometry_level=config.geometry,
            fitted_on=qm9.fitted_on,
            n_fit=qm9.fit,
            n_selection=qm9.selection,
            met=qm9.met,
            n_calibration=qm9.calibration,
            n_test=qm9.test,
            settings=settings_of(model_type(config.model), config.settings),
        ),
        Path(config.out),
    )
    return Path(config.out)


def register(app: typer.Typer) -> None:
    """Add the commands to the `screener` command."""
    app.command(
        epilog=shown(
            ["screener labels my-library --level b3lyp --out my-labels", "screener labels"]
        )
    )(labels)
    app.command(epilog=shown(["screener train mine.toml", "screener train qm9-mmff94-direct"]))(
        train
    )
