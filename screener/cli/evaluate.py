"""`screener evaluate`: compares a bundle with the labels in any Parquet file.

Progress goes to standard error, results to standard output. The heavy parts are imported by the
command, so that help and mistakes in options answer at once.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from screener.cli.cluster import Cluster, Scheduler, Workers, cluster_settings
from screener.cli.help import shown
from screener.cli.output import AsJson, Column, Table, number, print_json, print_table, say

if TYPE_CHECKING:
    from screener.cluster.settings import ClusterSettings
    from screener.structures.site import Site
    from screener.training.tables.assessment import Errors, Evaluation
    from screener.training.tables.labelled import LabelledTable

N_REASONS = 5

console = Console(stderr=True)


def evaluate(
    bundle: Annotated[str, typer.Argument(help="Name of a shipped bundle, or a folder.")],
    data: Annotated[str, typer.Argument(help="Parquet or CSV file with labels; path or URL.")],
    label: Annotated[
        list[str],
        typer.Option(help="QUANTITY=COLUMN, such as ae0_b3lyp_kcal=energy. Repeatable."),
    ],
    smiles: Annotated[
        str | None,
        typer.Option(help="Column of SMILES; without --positions structures are made from it."),
    ] = None,
    positions: Annotated[
        str | None, typer.Option(help="Column of positions, angstrom, nested or flat.")
    ] = None,
    atomic_numbers: Annotated[
        str | None, typer.Option(help="Column of atomic numbers, in the order of the positions.")
    ] = None,
    geometry: Annotated[
        str | None,
        typer.Option(help="Level that the positions were optimised with, such as gfn2-opt."),
    ] = None,
    low: Annotated[
        str | None,
        typer.Option(help="Column of the low level's values, where it cannot be computed here."),
    ] = None,
    unit: Annotated[
        list[str] | None,
        typer.Option(
            help="Of atomization energies: kcal/mol (default), kJ/mol, eV, hartree; QUANTITY=UNIT "
            "of any one quantity, such as boiling_point_k=degC. Repeatable."
        ),
    ] = None,
    sign: Annotated[
        str, typer.Option(help="Of atomization energies: bound-positive or bound-negative.")
    ] = "bound-positive",
    zpe: Annotated[
        str, typer.Option(help="Whether they contain the zero-point energy: included or none.")
    ] = "included",
    where: Annotated[
        list[str] | None,
        typer.Option(help="COLUMN=VALUE: only rows with this value. Repeatable."),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder for parity plots, predictions and rows set aside.")
    ] = Path("evaluation"),
    as_json: AsJson = False,
    workers: Workers = None,
    scheduler: Scheduler = None,
    cluster: Cluster = None,
) -> None:
    """Evaluate a bundle on labelled molecules: errors, coverage of intervals, parity plots.

    Molecules are neutral closed shells. What is made for one evaluation is kept in $SCREENER_HOME.
    """
    from screener.models.bundle import load_bundle
    from screener.training.tables.assessment import evaluate as assess
    from screener.training.tables.assessment import needs_of
    from screener.training.tables.labelled import labelled_table
    from screener.training.tables.names import names_of
    from screener.training.tables.options import pairs, table_options

    loaded = load_bundle(bundle)
    general = [text for text in unit or () if "=" not in text]
    options = table_options(
        {
            "path": data,
            "smiles": smiles,
            "positions": positions,
            "atomic_numbers": atomic_numbers,
            "geometry": geometry,
            "low": low,
            "labels": pairs(label, "--label"),
            "unit": general[-1] if general else "kcal/mol",
            "units": pairs((text for text in unit or () if "=" in text), "--unit"),
            "sign": sign,
            "zpe": zpe,
            "where": pairs(where or (), "--where"),
        },
        "options",
        names_of(more=loaded.card.columns().values()),
    )
    needs = needs_of(loaded.card, options)
    with site(cluster_settings(cluster, scheduler, workers)) as here:
        table = labelled_table(options, needs, here)
    evaluation = assess(loaded, table, options)
    _write(out, loaded.card.name, evaluation, table)
    if as_json:
        print_json([each.as_json() for each in evaluation.quantities])
    else:
        _print(loaded.card.name, evaluation, table, out)


@contextmanager
def site(cluster: "ClusterSettings") -> "Iterator[Site]":
    """Where structures are made, with progress bars on standard error.

    The cluster is started only if structures have to be made.
    """
    from screener.cluster.factory import connect
    from screener.structures import make
    from screener.structures.site import Site

    columns = TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn()
    progress = Progress(*columns, console=console)
    bars: dict[str, TaskID] = {}

    def show(what: str, done: int, total: int) -> None:
        if what not in bars:
            bars[what] = progress.add_task(what, total=total)
        progress.start()
        progress.update(bars[what], completed=done)
        if progress.finished:
            progress.stop()  # so that what is logged afterwards does not run through the bars

    try:
        yield Site(lambda: connect(cluster, make.__name__), show)
    finally:
        progress.stop()


def _write(out: Path, bundle: str, evaluation: "Evaluation", table: "LabelledTable") -> None:
    from screener.report.parity import write_parity
    from screener.stores.files import Folder
    from screener.stores.quarantine import quarantine_table

    folder = Folder(str(out))
    folder.require_writable()
    folder.write_table("predictions.parquet", evaluation.predictions)
    folder.write_table("quarantine.parquet", quarantine_table(table.quarantine()))
    for quantity in evaluation.quantities:
        if quantity.errors.n:
            write_parity(out, bundle, quantity)


def _print(bundle: str, evaluation: "Evaluation", table: "LabelledTable", out: Path) -> None:
    heads = (
        number("n"),
        number("MAE"),
        number("RMSE"),
        number("bias", 2),
        number("in 90 %"),
        number("width", 1),
    )
    more = (number("in domain"), number("quarantined", 3))
    title = f"{bundle}: {table.source}"
    whole = Table(Column("quantity", wraps=True), *heads, *more, title=title)
    for each in evaluation.quantities:
        share = "" if each.in_domain is None else f"{100 * each.in_domain:.1f} %"
        name = f"{each.quantity} ({each.unit})"
        whole.add_row(name, *_cells(each.errors), share, f"{each.n_quarantined:,}")
    print_table(whole)
    for each in evaluation.quantities:
        sizes = Table("heavy atoms", *heads, title=f"{each.quantity} by size")
        for size, errors in each.by_n_heavy.items():
            sizes.add_row(str(size), *_cells(errors))
        say("")
        print_table(sizes)
        if each.note:
            say(f"{each.quantity}: {each.note}")
    if table.n_left_out:
        say(f"{table.n_left_out:,} rows were not asked for")
    codes = Counter((record.code, record.message) for record in table.quarantine())
    for (code, message), n in codes.most_common(N_REASONS):
        say(f"quarantined: {n:,} {code}: {message}")
    for reason, n in list(evaluation.outside.items())[:N_REASONS]:
        say(f"out of domain: {reason} ({n:,})")
    say(f"plots and tables are in {out}")


def _cells(errors: "Errors") -> list[str]:
    def number(value: float | None) -> str:
        return "" if value is None else f"{value:.3f}"

    covered = "" if errors.coverage_90 is None else f"{100 * errors.coverage_90:.1f} %"
    return [
        f"{errors.n:,}",
        *map(number, (errors.mae, errors.rmse, errors.bias)),
        covered,
        number(errors.width_90),
    ]


def register(app: typer.Typer) -> None:
    """Add the command to the `screener` command."""
    example = "screener evaluate qm9-gfn2opt-delta my.csv --label homo_b3lyp_ev=homo"
    app.command(epilog=shown([example]))(evaluate)
