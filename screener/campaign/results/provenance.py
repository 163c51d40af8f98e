"""Where a campaign's results come from: `provenance.json`.

It tells times and machines and so differs between runs that give the same results. What happened
when is in the journal (`screener.campaign.driver.events`).
"""

import os
import platform
import socket
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from screener.campaign.settings.setup import SCHEMA_VERSION, Setup
from screener.campaign.settings.stage import Campaign
from screener.campaign.settings.used_plugins import told
from screener.errors import SchemaError
from screener.stores.files import Folder
from screener.stores.paths import require_name

if TYPE_CHECKING:
    from screener.campaign.results.totals import StageTotals

FILE = "provenance.json"
RANKINGS = "rankings"  # folder of all rankings
RANKING = "ranking.json"  # of each ranking
_PACKAGES = (
    *("screener", "rdkit", "tblite", "torch", "qmllib", "numpy", "scipy"),
    *("dask", "distributed", "pyarrow", "zarr"),
)
_SEEDS = (
    "each molecule's conformer search is seeded by its mol_id; a funnel draws samples by its own "
    "seed, which is frozen in campaign.toml; nothing else in a campaign draws random numbers"
)


class Session:
    """One run of one client, as `provenance.json` tells it.

    Args:
        campaign: with the ranking asked now.
        command: what was typed or called.
        n_workers: worker threads at the start.
    """

    def __init__(self, campaign: Campaign, command: list[str], n_workers: int) -> None:
        self._folder, self._setup = campaign.folder, campaign.setup
        before = read_provenance(campaign.folder)
        self._past: list[dict[str, Any]] = before.get("sessions", [])
        self._this = {
            "command": command,
            "started": now(),
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
            "worker_threads": n_workers,
        }
        self._results: dict[str, Any] = {
            key: before[key] for key in ("stages", "ranking", "recall") if key in before
        }

    def write(self, **results: Any) -> None:
        """Write what is known by now: at the start, and with `stages` or `ranking` at the end."""
        if results:
            self._results |= results
            self._this["finished"] = now()
        setup = self._setup
        self._folder.write_json(
            FILE,
            {
                "schema_version": SCHEMA_VERSION,
                "digests": {
                    "library": setup.library_digest,
                    "compute": setup.compute_digest,
                    "ranking": self._results.get("ranking", {}).get("digest"),
                    "bundles": {stage.name: stage.bundle_digest for stage in setup.stages},
                    "structures": {stage.name: stage.structures_digest for stage in setup.stages},
                },
                "library": setup.library,
                "versions": versions(),
                "plugins": told(setup),
                "seeds": _SEEDS,
                "sessions": [*self._past, self._this],
                **self._results,
            },
        )


def read_provenance(folder: Folder) -> dict[str, Any]:
    """What `provenance.json` says; empty where it is not written yet.

    Raises:
        StoreError: the file is broken.
    """
    provenance: dict[str, Any] = folder.read_json(FILE) if folder.exists(FILE) else {}
    return provenance


def last_ranking(folder: Folder) -> dict[str, Any] | None:
    """What `provenance.json` tells of the main ranking; None before there is one.

    Its `name`, or in campaigns of earlier versions its `digest`, names a folder below `rankings/`.

    Raises:
        StoreError: the file cannot be read; SchemaError: what names the folder is no name of one.
    """
    ranking: dict[str, Any] | None = read_provenance(folder).get("ranking")
    if ranking is not None:
        try:
            require_name(ranking["digest"])
            require_name(ranking.get("name", ranking["digest"]))
        except (KeyError, TypeError, ValueError) as error:
            raise SchemaError(
                f"{folder.url}/{FILE} names no ranking ({error!r}); rank the campaign again with "
                "`screener rank`"
            ) from error
    return ranking


def stage_results(setup: Setup, totals: "list[StageTotals]") -> list[dict[str, Any]]:
    """What `provenance.json` says of each stage."""
    return [
        {
            "name": stage.name,
            "bundle": stage.bundle,
            "geometry": None if stage.geometry is None else stage.geometry.model_dump(mode="json"),
            "counts": dict(of_stage.counts),
            "quarantine": dict(of_stage.quarantine),
            "left_out": sorted(of_stage.left_out),
            "disagree": dict(sorted(of_stage.disagree.items())),
            "structures_made": of_stage.made,
            "task_seconds": round(of_stage.seconds, 3),
        }
        for stage, of_stage in zip(setup.stages, totals, strict=True)
    ]


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide results."""
    by_package = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            by_package[package] = version(package)
        except PackageNotFoundError:  # run from a source tree that was not installed
            by_package[package] = "not installed"
    return by_package


def now() -> str:
    """The time, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def main_path(folder: Folder) -> str | None:
    """The folder of the main ranking, which ends in '/'; None where there is none, or somebody
    removed it.

    Raises:
        StoreError: a file cannot be read.
    """
    current = last_ranking(folder)
    if current is None:
        return None
    path = f"{RANKINGS}/{current.get('name', current['digest'])}/"
    return path if folder.exists(path + RANKING) else None


def read_ranking(folder: Folder) -> dict[str, Any] | None:
    """What `ranking.json` says of the main ranking; None before there is one.

    Raises:
        StoreError: a file cannot be read.
    """
    path = main_path(folder)
    if path is None:
        return None
    ranking: dict[str, Any] = folder.read_json(path + RANKING)
    return ranking
