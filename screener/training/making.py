"""Identities and structures of outside molecules, made on the Dask cluster and kept.

Everything lies below `$SCREENER_HOME/tables`, batch by batch. A batch is named by its content, so
whatever was made for one command is there for the next, and an interrupted one goes on where it
was. The work is done by the same executor, child processes and stores as a campaign; the cluster is
started only when something is missing.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any, Literal, TypedDict

import numpy as np
import pyarrow as pa
from distributed import Client
from pydantic import BaseModel, ConfigDict
from rdkit import Chem, rdBase
from rdkit.Chem import rdDetermineBonds

from screener.chemistry.geometry import with_positions
from screener.chemistry.gfn2 import gfn2_properties
from screener.chemistry.standardise import StandardiseSettings, standardise, standardise_mol
from screener.chemistry.structures import GeometrySettings, make_structure
from screener.errors import MoleculeError
from screener.execution.child import isolated_map
from screener.execution.tasks import Task, run_tasks
from screener.records import Molecule, Receipt, Structure
from screener.stores.files import Folder, digest, to_parquet
from screener.stores.receipts import Receipts
from screener.stores.structures import DONE, StructureStore
from screener.training.home import screener_home

IDENTITIES_BATCH = 512
STRUCTURES_BATCH = {"mmff94": 256, "gfn2-opt": 32}
WALL_CLOCK_SECONDS = {"mmff94": 60.0, "gfn2-opt": 600.0}

_INPUT = pa.schema(
    [
        ("smiles", pa.string()),
        ("mol_id", pa.string()),
        ("atomic_numbers", pa.list_(pa.uint8())),
        ("positions", pa.list_(pa.float32())),
    ]
)
_IDENTITY = pa.schema(
    [
        *((name, pa.string()) for name in ("mol_id", "smiles", "inchikey")),
        *((name, pa.int64()) for name in ("n_heavy", "n_atoms", "charge", "n_undefined_stereo")),
        ("code", pa.string()),
        ("message", pa.string()),
    ]
)


class Entry(TypedDict):
    """What is known of one molecule; SMILES or geometry may be missing."""

    smiles: str | None
    mol_id: str
    atomic_numbers: list[int] | None
    positions: list[float] | None  # (3 n_atoms,), angstrom


def entry(smiles: str | None, mol_id: str, geometry: Structure | None) -> Entry:
    """What a task is given of one molecule."""
    return {
        "smiles": smiles,
        "mol_id": mol_id,
        "atomic_numbers": None if geometry is None else geometry.atomic_numbers.tolist(),
        "positions": None if geometry is None else geometry.positions.ravel().tolist(),
    }


class How(BaseModel):
    """How structures are made; names their store.

    Args:
        geometry: from SMILES; None where geometries are given.
        gfn2: whether GFN2 values are needed at the geometry.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    geometry: GeometrySettings | None
    gfn2: bool

    @property
    def cost(self) -> Literal["mmff94", "gfn2-opt"]:
        """What a molecule costs, like structures of which level."""
        return "mmff94" if self.geometry is None else self.geometry.level


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
    """
    store = StructureStore(_folder("structures", how.model_dump(mode="json")))
    units = _carry_out(
        store.folder,
        store.receipts,
        "structures",
        entries,
        STRUCTURES_BATCH[how.cost],
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


def identify_batch(url: str, unit: str) -> Receipt:
    """Identify one batch on a worker."""
    began = time.monotonic()
    folder = Folder(url)
    receipts = Receipts(folder)
    if receipts.has(unit):  # an attempt that lost its worker may have come this far
        return receipts.read(unit)
    outcomes = isolated_map(
        identity_of, _entries(folder, unit), wall_clock_seconds=WALL_CLOCK_SECONDS["mmff94"]
    )
    rows = [
        {"code": outcome.code, "message": outcome.message}
        if isinstance(outcome, MoleculeError)
        else {**outcome._asdict(), "code": "", "message": ""}
        for outcome in outcomes
    ]
    path = f"molecules/{unit}.parquet"
    files = {path: folder.write_table(path, pa.Table.from_pylist(rows, schema=_IDENTITY))}
    counts = {"in": len(rows), "quarantined": sum(bool(row["code"]) for row in rows)}
    receipt = Receipt(unit, "identities", counts, files, time.monotonic() - began)
    receipt = receipts.publish(receipt)
    folder.remove(f"input/{unit}.parquet")
    return receipt


def make_batch(url: str, unit: str, how: How) -> Receipt:
    """Make the structures of one batch on a worker."""
    began = time.monotonic()
    store = StructureStore(Folder(url))
    if store.receipts.has(unit):
        return store.receipts.read(unit)
    entries = _entries(store.folder, unit)
    outcomes = isolated_map(
        partial(structure_of, how=how), entries, wall_clock_seconds=WALL_CLOCK_SECONDS[how.cost]
    )
    rows = np.arange(len(entries), dtype=np.int64)
    mol_ids = [each["mol_id"] for each in entries]
    receipt = store.write_unit(unit, rows, mol_ids, outcomes, time.monotonic() - began)
    store.folder.remove(f"input/{unit}.parquet")
    return receipt


def identity_of(entry: Entry) -> Molecule:
    """Who a molecule is; runs in a chemistry process.

    Raises:
        MoleculeError: as `standardise` does; `no_connectivity`, bonds cannot be told from the
            geometry alone.
    """
    if entry["smiles"] is not None:
        return standardise(entry["smiles"], StandardiseSettings())[0]
    numbers, positions = _geometry(entry)
    editable = Chem.RWMol()
    for number in numbers.tolist():
        editable.AddAtom(Chem.Atom(number))
    molecule = with_positions(editable.GetMol(), positions)
    try:
        with rdBase.BlockLogs():
            rdDetermineBonds.DetermineBonds(molecule, charge=0)
            Chem.SanitizeMol(molecule)
            Chem.AssignStereochemistryFrom3D(molecule)
            bare = Chem.RemoveHs(molecule)
    except (ValueError, RuntimeError) as error:
        raise MoleculeError(
            "no_connectivity",
            f"bonds cannot be told from the geometry ({error}); name a column of SMILES",
        ) from error
    return standardise_mol(bare, StandardiseSettings())[0]


def structure_of(entry: Entry, how: How) -> Structure:
    """One structure; runs in a chemistry process.

    Raises:
        MoleculeError: as `make_structure` and `gfn2_properties` do.
    """
    if how.geometry is None:
        structure = Structure(*_geometry(entry))
    else:
        assert entry["smiles"] is not None
        structure = make_structure(entry["smiles"], entry["mol_id"], how.geometry)
    if not how.gfn2 or structure.gfn2 is not None:
        return structure
    gfn2 = gfn2_properties(structure.atomic_numbers, structure.positions)
    return Structure(structure.atomic_numbers, structure.positions, gfn2)


def _geometry(entry: Entry) -> tuple[Any, Any]:
    """Atomic numbers uint8 (n_atoms,) and positions float32 (n_atoms, 3), angstrom."""
    numbers = np.asarray(entry["atomic_numbers"], dtype=np.uint8)
    return numbers, np.asarray(entry["positions"], dtype=np.float32).reshape(-1, 3)


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
        table = pa.Table.from_pylist(list(entries[start : start + size]), schema=_INPUT)
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


def _entries(folder: Folder, unit: str) -> list[Entry]:
    rows: list[Entry] = folder.read_table(f"input/{unit}.parquet").to_pylist()
    return rows
