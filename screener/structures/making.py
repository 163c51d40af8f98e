"""Identities and structures of outside molecules, made on the Dask cluster and kept.

Everything lies below `$SCREENER_HOME/tables`, batch by batch. A batch is named by its content, so
whatever was made for one command is there for the next, and an interrupted one goes on where it
was. The work is done by the same executor, child processes and stores as a campaign; the cluster is
started only when something is missing.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

import pyarrow as pa
from distributed import Client

from screener.chemistry.standardise import StandardiseSettings
from screener.errors import MoleculeError
from screener.execution.tasks import Task, run_tasks
from screener.records import Molecule, Receipt, Structure
from screener.stores.files import Folder, digest, to_parquet
from screener.stores.home import screener_home
from screener.stores.receipts import Receipts
from screener.stores.structures import DONE, StructureStore
from screener.structures.batches import INPUT, Entry, How, identify_batch, make_batch

IDENTITIES_BATCH = 512
FEWEST_STRUCTURES, BATCH_SECONDS = 32, 4.0  # of a batch, about


@dataclass(frozen=True)
class Site:
    """Where and by whom the work is done.

    Args:
        connect: gives a client; called once something has to be made.
        progress: called with what is made, how many are there, and how many there will be.
    """

    connect: Callable[[], AbstractContextManager[Client]]
    progress: Callable[[str, int, int], None] = lambda what, done, total: None


def identities(entries: Sequence[Entry], site: Site) -> list[Molecule | MoleculeError]:
    """Who the molecules are: by their SMILES, and where there is none by their geometry."""
    folder = _folder("identities", {"settings": StandardiseSettings().model_dump(mode="json")})
    receipts = Receipts(folder)
    units = _carry_out(
        folder, receipts, "identities", entries, IDENTITIES_BATCH, site, identify_batch
    )
    found: list[Molecule | MoleculeError] = []
    for unit in units:
        for row in folder.read_table(f"molecules/{unit}.parquet").to_pylist():
            code, message = row.pop("code"), row.pop("message")
            found.append(MoleculeError(code, message) if code else Molecule(**row))
    return found


def structures(entries: Sequence[Entry], how: How, site: Site) -> list[Structure | MoleculeError]:
    """The structures of molecules, or why there is none; in order.

    Args:
        entries: with SMILES and `mol_id` where structures come from SMILES, else with geometries.
        how: see `How`.
        site: see `Site`.
    Returns:
        in the order of the entries: a structure, or why there is none.
    """
    store = StructureStore(_folder("structures", how.model_dump(mode="json")))
    units = _carry_out(
        store.folder,
        store.receipts,
        "structures",
        entries,
        max(FEWEST_STRUCTURES, round(BATCH_SECONDS / how.costs.seconds)),
        site,
        partial(make_batch, how=how),
    )
    found: list[Structure | MoleculeError] = []
    for unit in units:
        held = store.read_unit(unit)
        errors = {}
        if (held.status != DONE).any():
            table = store.folder.read_table(f"quarantine/{unit}.parquet")
            errors = {
                row["row"]: MoleculeError(row["code"], row["message"]) for row in table.to_pylist()
            }
        found += [
            errors[row] if structure is None else structure
            for row, structure in zip(held.rows.tolist(), held.structures, strict=True)
        ]
    return found


def _folder(what: str, settings: dict[str, Any]) -> Folder:
    """Named by all that decides the results, but for the molecules."""
    versions = {package: version(package) for package in ("rdkit", "tblite")}
    name = digest({"what": what, "settings": settings, "versions": versions})
    return Folder(str(screener_home() / "tables" / f"{what}-{name[:12]}"))


def _carry_out(
    folder: Folder,
    receipts: Receipts,
    what: str,
    entries: Sequence[Entry],
    size: int,
    site: Site,
    function: Callable[[str, str], Receipt],
) -> list[str]:
    """Have every batch done; returns their names, in order."""
    batches = {}
    order = []
    for start in range(0, len(entries), size):
        table = pa.Table.from_pylist(list(entries[start : start + size]), schema=INPUT)
        unit = _content(table)
        order.append(unit)
        if not receipts.has(unit):
            batches[unit] = table
    total = len(entries)
    done = total - sum(table.num_rows for table in batches.values())
    site.progress(what, done, total)
    if batches:
        with site.connect() as client:
            for completed in run_tasks(client, _tasks(folder, batches, what, function)):
                done += completed.result.counts["in"]
                site.progress(what, done, total)
    return order


def _tasks(
    folder: Folder, batches: dict[str, pa.Table], what: str, function: Callable[[str, str], Receipt]
) -> Iterator[Task]:
    for unit, table in batches.items():
        folder.write_table(f"input/{unit}.parquet", table)
        yield Task(f"{what}-{unit[:8]}", function, (folder.url, unit))


def _content(table: pa.Table) -> str:
    return hashlib.sha256(to_parquet(table)).hexdigest()[:32]
