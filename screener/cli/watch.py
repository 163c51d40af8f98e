"""Shows how far a campaign is.

As text, once; redrawn on a terminal until the campaign has ended; as one line per change where the
output is no terminal; or as one JSON object.
"""

import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Group
from rich.live import Live
from rich.text import Text

from screener.campaign.results.recall import recall_text
from screener.campaign.results.status import Follower, Runner, StageStatus, Status
from screener.cli.output import Table, number, print_table, rendered, results, say
from screener.cli.show import duration, size
from screener.stores.files import Folder
from screener.waiting import Wait

if TYPE_CHECKING:
    from screener.campaign.results.accounts import Accounts

N_REASONS = 8
LOOKING_SHARE = 0.2  # the largest share of the time that is spent reading the folder


def show(status: Status) -> None:
    """Print how far a campaign is, once."""
    print_table(_table(status))
    for text in _below(status):
        say(text)


def watch(folder: Folder, every_seconds: float) -> None:
    """Show how far a campaign is until it has come to its shortlist.

    On a terminal the picture is redrawn; elsewhere a line is printed for each change.

    Raises:
        ConfigError: the folder holds no campaign.
        StoreError: a receipt is broken.
    """
    looks = _looks(Follower(folder), every_seconds)
    if sys.stdout.isatty():
        console = results()
        with Live(console=console, auto_refresh=False) as live:
            for status in looks:
                table = rendered(_table(status), console.width)
                live.update(Group(table, *map(Text, _below(status))), refresh=True)
    else:
        shown: set[str] = set()
        change = Wait("a change of the campaign", "It goes on with its next unit.")
        for status in looks:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            lines = _lines(status)
            for text, detail in lines.items():
                if text not in shown:
                    typer.echo(f"{now} {text}{detail}")
                    change.begin()
            change.tell_if_due()
            shown = set(lines)


def _looks(follower: Follower, every_seconds: float) -> Iterator[Status]:
    while True:
        started = time.monotonic()
        status = follower.look()
        yield status
        if status.is_finished:
            return
        looked = time.monotonic() - started  # at a slow store, less often
        time.sleep(max(every_seconds, looked / LOOKING_SHARE))


def _table(status: Status) -> Table:
    table = Table(
        "stage",
        number("units", 2),
        number("rows"),
        number("out of domain"),
        number("quarantined"),
        number("rate", 1),
        number("overall rate", 3),
        number("time left"),
        title=status.folder,
    )
    for stage in status.stages:
        if stage.n_units is None:
            progress = ("", f"at most {stage.n_rows:,}")
        else:
            progress = (
                f"{stage.n_units_done:,}/{stage.n_units:,}",
                f"{stage.n_rows_done:,}/{stage.n_rows:,}",
            )
        table.add_row(
            stage.name,
            *progress,
            f"{stage.n_out_of_domain:,}",
            f"{stage.n_quarantined:,}",
            _rate(stage.rate),
            _rate(stage.rate_overall),
            _left(stage),
        )
    return table


def _left(stage: StageStatus) -> str:
    if stage.n_units is None:
        return "waits"  # for the stage before
    return "done" if stage.is_finished else duration(stage.seconds_left)


def _below(status: Status) -> list[str]:
    return [
        *(
            f"quarantined at {name}: {n_rows:,} {code}"
            for name, codes in status.quarantine.items()
            for code, n_rows in list(codes.items())[:N_REASONS]
        ),
        "not ranked yet" if status.shortlisted is None else _shortlisted(status),
        *(f"recall at {each['stage']}: {recall_text(each)}" for each in status.recall),
        *_who(status),
    ]


def _lines(status: Status) -> dict[str, str]:
    """Texts that stay the same while nothing happens, each with a detail that keeps changing.

    A line is printed again only when its text changes; the detail, such as a rate, does not count.
    """
    lines = {
        _stage_line(stage, status.quarantine[stage.name]): _pace(stage)
        for stage in status.stages
        if stage.n_units_done
    }
    if status.is_finished:
        return {**lines, _shortlisted(status): ""}
    runner = status.runner
    if runner is None:
        return {**lines, **dict.fromkeys(_who(status), "")}
    lines[f"run by process {runner.pid} on {runner.host}"] = ""
    if runner.n_workers is not None:
        lines[f"workers: {runner.n_workers:,}"] = _memory(runner)
    if runner.n_tried_again or runner.n_workers_lost:
        lines[_losses(runner)] = ""
    if runner.dashboard is not None:
        lines[f"Dask dashboard: {runner.dashboard}"] = ""
    return lines


def _stage_line(stage: StageStatus, quarantine: Mapping[str, int]) -> str:
    parts = [
        f"{stage.name}: {stage.n_units_done:,}/{stage.n_units:,} units",
        f"{stage.n_rows_done:,}/{stage.n_rows:,} rows",
        f"{stage.n_out_of_domain:,} out of domain",
        f"{stage.n_quarantined:,} quarantined",
    ]
    if quarantine:
        reasons = (f"{n_rows:,} {code}" for code, n_rows in list(quarantine.items())[:N_REASONS])
        parts[-1] += f" ({', '.join(reasons)})"
    return ", ".join(parts)


def _pace(stage: StageStatus) -> str:
    rate = stage.rate or stage.rate_overall
    if stage.is_finished or rate is None:
        return ""
    return f", {_rate(rate)}, {duration(stage.seconds_left)} left"


def _rate(rate: float | None) -> str:
    return "" if rate is None else f"{rate:.1f}/s"


def _shortlisted(status: Status) -> str:
    return f"{status.shortlisted:,} in the shortlist"


def _who(status: Status) -> list[str]:
    """Who runs the campaign, or how to continue it if nobody does."""
    runner = status.runner
    if runner is None:
        if status.is_finished:
            return []
        lines = ["nobody runs it"]
        if status.stopped is not None:
            lines[0] += f"; the last session ended: {status.stopped}"
        lines.append(f"to go on with it: screener screen --out {shlex.quote(status.folder)}")
        if status.command:
            lines.append(f"it was run as: {shlex.join(status.command)}")
        return lines
    silent = time.time() - datetime.fromisoformat(runner.last_sign_of_life).timestamp()
    lines = [
        f"run by process {runner.pid} on {runner.host}, "
        f"last sign of life {duration(max(0.0, silent))} ago"
    ]
    if runner.n_workers is not None:
        lines.append(f"workers: {runner.n_workers:,}{_memory(runner)}")
    if runner.n_tried_again or runner.n_workers_lost:
        lines.append(_losses(runner))
    if runner.dashboard is not None:
        lines.append(f"Dask dashboard: {runner.dashboard}")
    return lines


def _losses(runner: Runner) -> str:
    return f"workers lost: {runner.n_workers_lost:,}, tasks tried again: {runner.n_tried_again:,}"


def _memory(runner: Runner) -> str:
    memory = runner.memory
    low, middle, high = (memory.get(f"worker_{name}_bytes") for name in ("min", "median", "max"))
    text = ""
    if low is not None and middle is not None and high is not None:
        text += f" with {size(low)} to {size(high)}, median {size(middle)}"
    for name in ("client", "scheduler"):
        if (n_bytes := memory.get(f"{name}_bytes")) is not None:
            text += f"; {name} {size(n_bytes)}"
    return text


def as_json(status: Status, accounts: "Accounts | None") -> dict[str, Any]:
    """One object for programs; the README lists its keys.

    Args:
        status: how far the campaign is.
        accounts: where every row ended; None leaves the key out.
    """
    output = asdict(status)
    output["finished"] = status.is_finished
    output["running"] = status.runner is not None
    for stage, values in zip(status.stages, output["stages"], strict=True):
        values["finished"] = stage.is_finished
        values["quarantine"] = output["quarantine"][stage.name]
    del output["quarantine"]
    if accounts is not None:
        output["accounts"] = asdict(accounts)
    return output
