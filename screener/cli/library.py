"""`screener library build`, `info`, `compact` and `convert`: libraries and their structures.

Progress goes to standard error, results to standard output. The heavy parts are imported by the
commands that use them, so that help and mistakes in options answer at once.
"""

import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from screener.cli import coverage
from screener.cli.cluster import Cluster, Scheduler, Workers, cluster_settings
from screener.cli.help import group, shown
from screener.cli.output import AsJson, print_json, say
from screener.errors import ConfigError

if TYPE_CHECKING:
    from screener.chemistry.standardise import StandardiseSettings
    from screener.stores.library import LibraryStore

app = group(
    "Make libraries of molecules from files, and look at them.",
    [
        "screener library build candidates.smi more/*.csv --out my-library",
        "screener library info my-library",
    ],
)

N_REASONS = 5
N_RAW = 60


@app.command(
    epilog=shown(
        [
            "screener library build candidates.smi.gz more/*.csv --out my-library",
            "screener library build vendor.sdf --out my-library --id-column code",
        ]
    )
)
def build(
    inputs: Annotated[
        list[str],
        typer.Argument(
            help="SMILES (.smi, .txt), CSV, TSV, SDF or Parquet files, also .gz and .zst; globs "
            "and URLs."
        ),
    ],
    out: Annotated[str, typer.Option(help="Folder or URL of the library.")],
    smiles_column: Annotated[
        str | None,
        typer.Option(help="Column of the SMILES in tables (default: found by its name)."),
    ] = None,
    id_column: Annotated[
        str | None,
        typer.Option(help="Column of your ids in tables or SDF (default: found by its name)."),
    ] = None,
    neutralise: Annotated[
        bool, typer.Option("--neutralise", help="Add or remove protons to undo charges.")
    ] = False,
    mixtures: Annotated[
        Literal["quarantine", "largest"],
        typer.Option(help="Set salts and mixtures aside, or keep the largest organic part."),
    ] = "quarantine",
    elements: Annotated[
        str | None,
        typer.Option(help="Elements to accept (default H,B,C,N,O,F,Si,P,S,Cl,Br)."),
    ] = None,
    allow_charged: Annotated[
        bool, typer.Option("--allow-charged", help="Accept ions. No shipped model predicts them.")
    ] = False,
    allow_radicals: Annotated[
        bool,
        typer.Option(
            "--allow-radicals", help="Accept unpaired electrons. No shipped model predicts them."
        ),
    ] = False,
    max_atoms: Annotated[
        int, typer.Option(min=1, help="Most atoms of a molecule, hydrogens included.")
    ] = 100,
    enumerate_stereo: Annotated[
        int,
        typer.Option(
            min=0,
            help="Most stereoisomers to make of a molecule whose stereochemistry is undefined "
            "(default: one is chosen).",
        ),
    ] = 0,
    performance_report: Annotated[
        str | None, typer.Option(help="HTML file for Dask's report of what the workers did.")
    ] = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    cluster: Cluster = None,
    as_json: AsJson = False,
) -> None:
    """Standardise and deduplicate molecules into a library.

    The same command again resumes a build that was interrupted.
    """
    values: dict[str, object] = {
        "neutralise": neutralise,
        "mixtures": mixtures,
        "allow_charged": allow_charged,
        "allow_radicals": allow_radicals,
        "max_atoms": max_atoms,
        "enumerate_stereo": enumerate_stereo,
    }
    if elements is not None:
        values["elements"] = elements.replace(",", " ").split()
    settings = _settings(values)
    where = cluster_settings(cluster, scheduler, workers)
    from screener.cli.progress import BuildDisplay
    from screener.cluster.factory import connect
    from screener.execution.performance import reported, require_report_path
    from screener.library_build import tasks
    from screener.library_build.build import carry_out, finished_library, plan_build

    require_report_path(performance_report)
    plan = plan_build(inputs, out, settings, smiles_column=smiles_column, id_column=id_column)
    library = finished_library(plan)
    if library is None:  # the cluster is started only after the options have been checked
        with (
            connect(where, tasks.__name__) as client,
            reported(client, performance_report),
            BuildDisplay(client.dashboard_link) as display,
        ):
            library = carry_out(plan, client, display.update)
    if as_json:
        print_json(_summary(library))
        return
    say(_accounts(library))
    say(f"library: {library.folder.url}")


@app.command(epilog=shown(["screener library info my-library"]))
def info(
    folder: Annotated[str, typer.Argument(help="Folder or URL of a library.")],
    as_json: AsJson = False,
) -> None:
    """Print which share the models know, counts, sizes, elements, tautomers and quarantine.

    What models know is told by elements, size, charge and bonding, of at most 2,000 molecules.
    """
    from screener.library.summary import tautomer_groups
    from screener.models.shipped import shipped_bundles
    from screener.stores.library import LibraryStore

    library = LibraryStore.open(folder)
    manifest, totals = library.manifest, library.manifest.totals
    known = coverage.of_library(library, shipped_bundles())
    groups = tautomer_groups(library)
    if as_json:
        first = _first_of_quarantine(library)
        more = {"coverage": known, "tautomers": asdict(groups), "first_quarantined": first}
        print_json({**_summary(library), **more})
        return
    for line in coverage.lines(known, library.n_rows):
        say(line)
    say(_accounts(library))
    say(f"isomer chosen by the build: {totals.undefined_stereo:,}")
    say(
        f"tautomer groups (one InChIKey, several molecules): {groups.n_groups:,}"
        + (f" with {groups.n_rows:,} molecules, such as " if groups.n_groups else "")
        + ", ".join(f"{key} ({count})" for key, count in groups.largest)
    )
    typer.echo("\nheavy atoms")
    typer.echo(_bars({str(size): count for size, count in sorted(totals.n_heavy.items())}))
    typer.echo("\nmolecules with the element")
    typer.echo(_bars(totals.elements))
    own = manifest.columns[len(library.standard_columns) :]
    if own:
        types = ", ".join(f"{name} ({kind})" for name, kind in own)
        say(f"\nyour columns: {types}")
    if totals.quarantined:
        typer.echo("\nquarantine")
        typer.echo(_bars(totals.quarantined_by_code))
        say(_first_reasons(library))
    say(f"\nRDKit {manifest.rdkit_version}, digest {manifest.digest}")


@app.command(epilog=shown(["screener library compact my-library"]))
def compact(
    folder: Annotated[
        str, typer.Argument(help="Folder or URL of a library, or of structures in common.")
    ],
    workers: Workers = None,
    scheduler: Scheduler = None,
    cluster: Cluster = None,
    as_json: AsJson = False,
) -> None:
    """Join the files of structures into large Zarr groups, which dask.array opens as well.

    Campaigns may run meanwhile. The same command again finishes what was interrupted.
    """
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from screener.cluster.factory import connect
    from screener.stores.structure_groups import ROOT
    from screener.structures.compact import compact as compact_store
    from screener.structures.compact import stores_below
    from screener.structures.index_tasks import on

    stores = stores_below(folder)
    where = cluster_settings(cluster, scheduler, workers)
    results: list[dict[str, Any]] = []
    with connect(where) as client, Progress(console=Console(stderr=True)) as progress:
        for store in stores:
            bar = progress.add_task("molecules", total=None)

            def show(n_done: int, n_all: int, bar: TaskID = bar) -> None:
                progress.update(bar, completed=n_done, total=n_all)

            done = compact_store(on(client), store, show)
            zarr = f"{store.folder.url}/{ROOT}"
            results.append({**asdict(done), "zarr": zarr})
            if as_json:
                continue
            left = f"; {done.n_left:,} files are left" if done.n_left else ""
            say(
                f"{done.digest}: {done.n_rows:,} molecules of {done.n_units:,} files in "
                f"{done.n_groups:,} groups{left}"
            )
            say(f"zarr: {zarr}")
    if as_json:
        print_json(results)


@app.command(epilog=shown(["screener library convert my-library --campaign my-campaign"]))
def convert(
    folder: Annotated[str, typer.Argument(help="Folder or URL of a library.")],
    structures: Annotated[
        str | None,
        typer.Option(help="Folder or URL that structures go to (default beside the library)."),
    ] = None,
    campaign: Annotated[
        list[str] | None,
        typer.Option(
            help="Campaign that made structures, where these had settings that nobody guesses. "
            "Repeatable."
        ),
    ] = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    cluster: Cluster = None,
    as_json: AsJson = False,
) -> None:
    """Bring structures of earlier versions, which belonged to one library, up to date.

    The same command again goes on where it was interrupted.
    """
    from screener.campaign.settings.stage import Campaign
    from screener.campaign.settings.stages import absolute
    from screener.cluster.factory import connect
    from screener.stores.files import Folder
    from screener.stores.library import LibraryStore
    from screener.structures.convert import convert as convert_structures
    from screener.structures.convert import former_folders
    from screener.structures.index_tasks import on

    library = LibraryStore.open(absolute(folder))
    if not former_folders(library):
        if as_json:
            print_json([])
        else:
            say(f"{library.folder.url} has no structures of earlier versions")
        return
    campaigns = [Campaign.open(Folder(absolute(url))) for url in campaign or ()]
    recipes = [stage.recipe for each in campaigns for stage in each.stages if not stage.is_drawn]
    root = Folder(absolute(structures)) if structures else library.folder.child("structures")
    n_unknown = 0
    results: list[dict[str, Any]] = []
    with connect(cluster_settings(cluster, scheduler, workers)) as client:
        for done in convert_structures(on(client), library, root, recipes):
            n_unknown += done.recipe is None
            digest = None if done.recipe is None else done.recipe.digest
            counts = {"n_units": done.n_units, "n_lost": done.n_lost}
            results.append({"folder": done.folder, "structures": digest, **counts})
            if as_json:
                continue
            if digest is None:
                say(f"{done.folder}: made with settings that are not known here")
                continue
            lost = f", {done.n_lost:,} are damaged and given up" if done.n_lost else ""
            say(f"{done.folder}: {done.n_units:,} files are {digest} now{lost}")
    if as_json:
        print_json(results)
    if n_unknown:
        raise ConfigError(
            f"{n_unknown} folders of structures stay as they are; name the campaigns that made "
            "them with --campaign"
        )


def _settings(values: dict[str, object]) -> "StandardiseSettings":
    from pydantic import ValidationError

    from screener.chemistry.standardise import StandardiseSettings

    try:
        return StandardiseSettings.model_validate(values)
    except ValidationError as error:
        problems = (
            f"--{str(entry['loc'][0]).replace('_', '-')}: {entry['msg']}"
            for entry in error.errors()
        )
        raise ConfigError("; ".join(problems)) from error


def _accounts(library: "LibraryStore") -> str:
    totals = library.manifest.totals
    added = f" + {totals.isomers_added:,} isomers" if totals.isomers_added else ""
    return (
        f"{totals.read:,} read{added} = {totals.kept:,} kept + {totals.duplicates:,} duplicates "
        f"+ {totals.quarantined:,} quarantined"
        + (f" ({totals.blank:,} blank lines passed over)" if totals.blank else "")
    )


def _bars(counts: dict[str, int], width: int = 40) -> str:
    largest = max(counts.values(), default=1)
    label = max(map(len, counts), default=0)
    lines = (
        f"  {name:>{label}} {count:>12,} {'#' * -(-width * count // largest)}"
        for name, count in counts.items()
    )
    return "\n".join(lines)


def _summary(library: "LibraryStore") -> dict[str, Any]:
    """What a program is told of a library: everything that its manifest says."""
    return {"library": library.folder.url, **library.manifest.model_dump(mode="json")}


def _first_of_quarantine(library: "LibraryStore") -> list[dict[str, Any]]:
    tables = library.quarantine()
    first = next(tables, None)
    return [] if first is None else first.slice(0, N_REASONS).to_pylist()


def _first_reasons(library: "LibraryStore") -> str:
    # the input's text may hold anything, and goes to a terminal
    lines = (
        f"  {row['source']}:{row['line']}: {_id(row)}{row['code']}: {row['message']} "
        f"{row['raw'][:N_RAW]!a}"
        for row in _first_of_quarantine(library)
    )
    all_of_them = f"screener library quarantine {shlex.quote(library.folder.url)}"
    return "\n".join([f"first of them; all: {all_of_them}", *lines])


def _id(row: dict[str, Any]) -> str:
    """The user's own id, to stand before a reason; nothing where it is the place."""
    name = row["source_id"]
    return "" if name in (None, f"{row['source']}:{row['line']}") else f"{name!a}: "
