"""Prints campaigns on a terminal: live progress, accounts, estimate, shortlist and comparison."""

from types import TracebackType
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from screener.campaign.results.recall import read_recall, recall_text
from screener.cli.output import Column, Table, number, print_table, say
from screener.ranking.columns import with_numbers
from screener.stores.files import Folder
from screener.stores.predictions import with_names_of_now

if TYPE_CHECKING:  # models and Dask take seconds to be there, and `status` answers in one
    from screener.campaign.driver.estimate import Estimate
    from screener.campaign.driver.stage_run import Progress as StageProgress
    from screener.campaign.results.accounts import Accounts
    from screener.campaign.results.compare import Comparison
    from screener.campaign.results.rankings import NamedRanking

N_SHOWN = 10
N_OUTSIDE = 5


class Display:
    """Live progress on standard error, one line per stage.

    Args:
        dashboard: address of Dask's dashboard, shown above.
    """

    def __init__(self, dashboard: str) -> None:
        self._console = Console(stderr=True)
        self._dashboard = dashboard
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f} units"),
            TextColumn("{task.fields[rate]}"),
            TextColumn("{task.fields[quarantined]} quarantined"),
            TextColumn("{task.fields[left]}"),
            console=self._console,
        )
        self._lines: dict[str, TaskID] = {}

    def __enter__(self) -> "Display":
        self._console.print(f"Dask dashboard: {self._dashboard}", highlight=False)
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def update(self, now: "StageProgress") -> None:
        """Show how far a stage is."""
        if now.stage not in self._lines:
            self._lines[now.stage] = self._progress.add_task(
                f"stage {now.index + 1}/{now.n_stages} {now.stage}",
                total=now.n_units,
                rate="",
                quarantined=0,
                left="",
            )
        is_done = now.n_units_done >= now.n_units
        self._progress.update(
            self._lines[now.stage],
            completed=now.n_units_done,
            total=now.n_units,  # grows during a search, batch after batch
            rate="" if now.rate is None else f"{now.rate:.1f} molecules/s",
            quarantined=now.n_quarantined,
            left="done" if is_done else f"{duration(now.seconds_left)} left",
        )


def duration(seconds: float | None) -> str:
    """A time in seconds as a person writes it: 45 s, 12 min, 3 h 20 min, 2 d 4 h."""
    if seconds is None:
        return "?"
    minutes, hours, days = seconds / 60, seconds / 3600, seconds / 86400
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 90:
        return f"{minutes:.0f} min"
    if hours < 36:
        return f"{int(hours)} h {int(minutes) % 60} min"
    return f"{int(days)} d {int(hours) % 24} h"


def size(n_bytes: float) -> str:
    """A number of bytes with a unit: 512 B, 1.4 MB."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if n_bytes < 1000 or unit == "TB":
            return f"{n_bytes:.0f} {unit}" if unit == "B" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    raise AssertionError  # the loop returns at its last unit


def shortlist(folder: Folder, ranking: "NamedRanking") -> None:
    """Print the first ten molecules of a ranking, what its score is, and the paths of the results.

    Args:
        folder: folder of the campaign.
        ranking: whose shortlist it is.
    """
    top = _shortlist(folder, ranking)
    columns = [
        each.column for each in ranking.settings.objectives if each.column in top.column_names
    ]
    tie = ranking.meaning.tie_column
    ties = [tie] if tie in top.column_names else []  # rankings of before have none
    table = Table(
        number("rank"),
        number(ranking.meaning.name),
        *(number(name.replace("_", " "), 1) for name in ties),
        "id",
        # a head of several words can take several lines
        *(number(name.replace("_", " "), rank) for rank, name in enumerate(columns, 1)),
        "SMILES",
        title=f"the best {min(N_SHOWN, top.num_rows)} of {top.num_rows:,} in the shortlist",
    )
    for row in with_numbers(top.slice(0, N_SHOWN), ranking.settings).to_pylist():
        mark = "*" if row.get("known") else ""
        numbers = (f"{row[name]:.3f}" for name in ("score", *ties))
        shown = (str(row["rank"]), *numbers, f"{row['source_id'] or ''}{mark}")
        table.add_row(*shown, *(_value(row, name) for name in columns), row["smiles"])
    print_table(table)
    say("± is half of the 90 % interval")
    if "known" in top.column_names:
        say("* known already")
    for text in (*about(ranking), *results_of(folder, ranking)):
        say(text)


def about(ranking: "NamedRanking") -> list[str]:
    """What a reader of a shortlist is told about its ranking, in sentences."""
    texts = [f"{ranking.meaning.name}: {ranking.meaning.sentence}"]
    if left_out := ranking.told["left_out"]:
        texts.append(f"left out, for want of a column: {', '.join(left_out)}")
    if ranking.is_main:
        return [*texts, f"this is {ranking.name}, the main ranking of the campaign"]
    return [
        *texts,
        f"this is the ranking {ranking.name}; the main one stays as it was, and "
        f"`screener rank CAMPAIGN --name {ranking.name} --main` makes this one the main one",
    ]


def shortlist_json(folder: Folder, ranking: "NamedRanking") -> dict[str, Any]:
    """A whole shortlist with all its columns, its ranking, the estimated recall and the paths of
    the results.

    Args:
        folder: folder of the campaign.
        ranking: whose shortlist it is.
    """
    return {
        "campaign": folder.url,
        "ranking": ranking.as_json(),
        "left_out": ranking.told["left_out"],
        "shortlist": _shortlist(folder, ranking).to_pylist(),
        "recall": read_recall(folder),
        "files": results_of(folder, ranking),
    }


def _shortlist(folder: Folder, ranking: "NamedRanking") -> pa.Table:
    return with_names_of_now(folder.read_table(f"{ranking.path}shortlist.parquet"))


def results_of(folder: Folder, ranking: "NamedRanking") -> list[str]:
    """Paths of the results of a ranking; those of the main one lie in the campaign's folder."""
    from screener.campaign.results.shortlist import FILES, LEGEND

    place = "" if ranking.is_main else ranking.path
    names = [f"{place}{name}" for name in (*FILES, LEGEND, "report.html")]
    return [f"{folder.url}/{name}" for name in (*names, "provenance.json") if folder.exists(name)]


def recall(folder: Folder) -> None:
    """Print the estimated recall of each stage that was searched; nothing without a budget."""
    for each in read_recall(folder):
        say(f"recall at {each['stage']}: {recall_text(each)}")


def _value(row: dict[str, Any], name: str) -> str:
    value, low, high = row[name], row.get(f"{name}_lo90"), row.get(f"{name}_hi90")
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    if low is None or high is None:
        return f"{value:.2f}"
    return f"{value:.2f} ± {(high - low) / 2:.2f}"


def comparison(changes: "Comparison") -> None:
    """Print what changed between two shortlists."""
    for difference in changes.settings:
        say(difference)
    for title, rows in (
        ("entered", changes.entered),
        ("left", changes.left),
        ("moved", changes.moved),
    ):
        say(f"{title}: {len(rows):,}")
        for change in rows:
            ranks = " -> ".join(
                "none" if rank is None else str(rank)
                for rank in (change.rank_before, change.rank_after)
            )
            why = f" ({change.why})" if change.why else ""
            say(f"  {ranks}  {change.source_id}  {change.smiles}{why}")
    say(f"at the same rank: {changes.n_unmoved:,}")


def accounts(balance: "Accounts") -> None:
    """Print the accounts: the final state of every molecule that was read."""
    isomers = f" + {balance.n_isomers_added:,} isomers added" if balance.n_isomers_added else ""
    say(
        f"library: {balance.n_read:,} read{isomers} = {balance.n_kept:,} kept + "
        f"{balance.n_duplicates:,} duplicates + {balance.n_quarantined:,} quarantined"
    )
    for stage in balance.stages:
        table = _states(f"stage {stage.name}", "what became of them")
        table.add_row("in", f"{stage.n_in:,}")
        table.add_row("passed", f"{stage.passed:,}")
        for rule, n_rows in stage.filtered.items():
            table.add_row(f"filtered: {rule}", f"{n_rows:,}")
        table.add_row("not selected", f"{stage.not_selected:,}")
        table.add_row("out of domain", f"{stage.out_of_domain:,}")
        table.add_row("quarantined", f"{stage.quarantined:,}")
        if stage.not_done:
            table.add_row("not done", f"{stage.not_done:,}")
        say("")
        print_table(table)
        for reason, n_rows in list(stage.outside.items())[:N_OUTSIDE]:
            say(f"out of domain: {reason} ({n_rows:,})")
    table = _states("final state of every row of the library", "state")
    for state, n_rows in balance.final.items():
        table.add_row(state, f"{n_rows:,}")
    table.add_row("all", f"{sum(balance.final.values()):,}")
    say("")
    print_table(table)


def _states(title: str, name: str) -> Table:
    return Table(Column(name, wraps=True), number("rows"), title=title)


def estimate(needs: "Estimate") -> None:
    """Print the time, memory and disk that a campaign needs."""
    table = Table(
        "stage",
        number("rows"),
        number("units", 3),
        number("done", 4),
        number("ms/molecule", 1),
        number("failed", 2),
        number("time"),
        number("disk"),
        title=f"measured on {needs.n_sample} molecules, for {needs.n_workers} workers",
    )
    for stage in needs.stages:
        seconds = stage.structure_seconds + stage.prediction_seconds
        table.add_row(
            stage.name,
            f"{stage.n_rows:,}",
            f"{stage.n_units:,}",
            f"{stage.n_units_done:,}",
            f"{1000 * seconds:.1f}",
            f"{stage.n_failed}/{needs.n_sample}",
            duration(stage.seconds),
            size(stage.n_bytes),
        )
    print_table(table)
    say(
        f"in all {duration(needs.seconds)} and {size(needs.n_bytes)}; memory: "
        f"{size(needs.worker_bytes)} per worker, {size(needs.driver_bytes)} for the client"
    )
