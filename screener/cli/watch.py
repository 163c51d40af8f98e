"""How far a campaign is: as text for a terminal, once or redrawn, line by line, or as JSON."""

import json
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime

import typer
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from screener.campaign.results.accounts import Accounts
from screener.campaign.results.recall import recall_text
from screener.campaign.results.status import Follower, Runner, StageStatus, Status
from screener.cli.show import duration, for_results, size
from screener.stores.files import Folder

N_REASONS = 8
LOOKING_SHARE = 0.2  # of the time, at most


def show(found: Status) -> None:
    """Print how far a campaign is."""
    console = for_results()
    console.print(_table(found))
    for text in _below(found):
        console.print(text, markup=False, highlight=False, soft_wrap=True)


def watch(folder: Folder, every_seconds: float) -> None:
    """Show how far a campaign is until it has come to its shortlist.

    On a terminal the picture is redrawn; elsewhere a line is printed for each change.

    Raises:
        ConfigError: the folder holds no campaign.
        StoreError: a receipt is broken.
    """
    looks = _looks(Follower(folder), every_seconds)
    if sys.stdout.isatty():
        with Live(console=for_results(), auto_refresh=False) as live:
            for found in looks:
                live.update(Group(_table(found), *map(Text, _below(found))), refresh=True)
    else:
        shown: set[str] = set()
        for found in looks:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            told = _lines(found)
            for text, detail in told.items():
                if text not in shown:
                    typer.echo(f"{now} {text}{detail}")
            shown = set(told)


def _looks(follower: Follower, every_seconds: float) -> Iterator[Status]:
    while True:
        started = time.monotonic()
        found = follower.look()
        yield found
        if found.is_finished:
            return
        looked = time.monotonic() - started  # at a slow store, less often
        time.sleep(max(every_seconds, looked / LOOKING_SHARE))


def _table(found: Status) -> Table:
    table = Table(title=found.folder)
    headers = ("stage", "units", "rows", "out of domain", "quarantined", "rate", "overall")
    for name in (*headers, "time left"):
        table.add_column(name)
    for stage in found.stages:
        if stage.n_units is None:
            progress = ("waits for the stage before", f"at most {stage.n_rows:,}")
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
            "done" if stage.is_finished else duration(stage.seconds_left),
        )
    return table


def _below(found: Status) -> list[str]:
    return [
        *(
            f"quarantined at {name}: {n_rows:,} {code}"
            for name, codes in found.quarantine.items()
            for code, n_rows in list(codes.items())[:N_REASONS]
        ),
        "not ranked yet" if found.shortlisted is None else _shortlisted(found),
        *(f"recall at {told['stage']}: {recall_text(told)}" for told in found.recall),
        *_who(found),
    ]


def _lines(found: Status) -> dict[str, str]:
    """Texts that stay the same as long as nothing happens, each with a detail that may change."""
    told = {
        _stage_line(stage, found.quarantine[stage.name]): _pace(stage)
        for stage in found.stages
        if stage.n_units_done
    }
    if found.is_finished:
        return {**told, _shortlisted(found): ""}
    runner = found.runner
    if runner is None:
        return {**told, **dict.fromkeys(_who(found), "")}
    told[f"run by process {runner.pid} on {runner.host}"] = ""
    if runner.n_workers is not None:
        told[f"workers: {runner.n_workers:,}"] = _memory(runner)
    if runner.n_tried_again or runner.n_workers_lost:
        told[_losses(runner)] = ""
    if runner.dashboard is not None:
        told[f"Dask dashboard: {runner.dashboard}"] = ""
    return told


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


def _shortlisted(found: Status) -> str:
    return f"{found.shortlisted:,} in the shortlist"


def _who(found: Status) -> list[str]:
    """Who runs it, or what to do where nobody does."""
    runner = found.runner
    if runner is None:
        if found.is_finished:
            return []
        told = ["nobody runs it"]
        if found.stopped is not None:
            told[0] += f"; the last session ended: {found.stopped}"
        told.append(f"to go on with it: screener screen --out {shlex.quote(found.folder)}")
        if found.command:
            told.append(f"it was run as: {shlex.join(found.command)}")
        return told
    silent = time.time() - datetime.fromisoformat(runner.last_sign_of_life).timestamp()
    told = [
        f"run by process {runner.pid} on {runner.host}, "
        f"last sign of life {duration(max(0.0, silent))} ago"
    ]
    if runner.n_workers is not None:
        told.append(f"workers: {runner.n_workers:,}{_memory(runner)}")
    if runner.n_tried_again or runner.n_workers_lost:
        told.append(_losses(runner))
    if runner.dashboard is not None:
        told.append(f"Dask dashboard: {runner.dashboard}")
    return told


def _losses(runner: Runner) -> str:
    return f"workers lost: {runner.n_workers_lost:,}, tasks tried again: {runner.n_tried_again:,}"


def _memory(runner: Runner) -> str:
    memory = runner.memory
    low, middle, high = (memory.get(f"worker_{name}_bytes") for name in ("min", "median", "max"))
    told = ""
    if low is not None and middle is not None and high is not None:
        told += f" with {size(low)} to {size(high)}, median {size(middle)}"
    for name in ("client", "scheduler"):
        if (n_bytes := memory.get(f"{name}_bytes")) is not None:
            told += f"; {name} {size(n_bytes)}"
    return told


def as_json(found: Status, accounts: Accounts | None) -> str:
    """One JSON object for programs; README names its keys.

    Args:
        found: how far the campaign is.
        accounts: where every row ended, if asked for.
    """
    told = asdict(found)
    told["finished"] = found.is_finished
    told["running"] = found.runner is not None
    for stage, values in zip(found.stages, told["stages"], strict=True):
        values["finished"] = stage.is_finished
        values["quarantine"] = told["quarantine"][stage.name]
    del told["quarantine"]
    if accounts is not None:
        told["accounts"] = asdict(accounts)
    return json.dumps(told, indent=1, ensure_ascii=False)
