"""Training labels: QM9's stereochemistry, and GFN2 values at several geometries, made by the
product itself.

Everything lies below `$SCREENER_HOME/labels`, unit by unit with receipts, so an interrupted run
goes on where it was:

    molecules/<block>.parquet     identity and B3LYP values, stereochemistry restored
    structures/<kind>-<digest>/   a structure store; rows are QM9's own numbers

The work is done by the same executor, child processes and stores as a campaign.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from distributed import Client
from numpy.typing import NDArray

from screener.chemistry.gfn2 import with_gfn2
from screener.chemistry.identity import identify
from screener.chemistry.standardise import StandardiseSettings, standardise
from screener.chemistry.structures import StructureSettings, make_structure, optimised
from screener.errors import MoleculeError
from screener.execution.child import isolated_map
from screener.execution.tasks import Task, run_tasks
from screener.records import Molecule, Receipt, Structure
from screener.stores.files import Folder, digest
from screener.stores.home import screener_home
from screener.stores.receipts import Receipts
from screener.stores.structures import StructureStore
from screener.training.qm9 import molecules as qm9
from screener.training.splits import N_CALIBRATION, N_FIT_AND_SELECTION, N_SELECTION

log = logging.getLogger(__name__)

WALL_CLOCK_SECONDS = 120.0
BLOCK = 4096  # QM9 entries restored by one task
UNIT = 64  # structures made by one task

# How many molecules of each part are labelled, in each part's own order; kinds are made in this
# order. `b3lyp-gfn2` and `mmff94-gfn2` are GFN2 single points at QM9's geometry and at the force
# field's; `gfn2-opt-from-b3lyp` is the minimum reached from QM9's geometry, so that conformer and
# label belong together; `gfn2-opt` and `mmff94-gfn2` start from the SMILES, as a campaign does.
ALL: Mapping[str, int] = {
    "test": 8_529,
    "calibration": N_CALIBRATION,
    "selection": N_SELECTION,
    "fit": N_FIT_AND_SELECTION - N_SELECTION,
}
NOT_FITTED: Mapping[str, int] = {part: ALL[part] for part in ("test", "calibration")}
WANTED: Mapping[str, Mapping[str, int]] = {
    "b3lyp-gfn2": ALL,
    "gfn2-opt": NOT_FITTED,
    "gfn2-opt-from-b3lyp": ALL,
    "mmff94-gfn2": ALL,
}
KINDS = tuple(WANTED)


def labels_folder() -> Folder:
    """The folder that all labels are in."""
    return Folder(str(screener_home() / "labels"))


def structure_store(kind: str) -> StructureStore:
    """The structures of one kind, named by what decides their numbers."""
    settings = None if kind == "b3lyp-gfn2" else _geometry(kind).model_dump()
    named = digest({"kind": kind, "settings": settings, "versions": _versions()})
    return StructureStore(labels_folder().child(f"structures/{kind}-{named[:12]}"))


def _geometry(kind: str) -> StructureSettings:
    return StructureSettings(level="mmff94" if kind == "mmff94-gfn2" else "gfn2-opt")


def _versions() -> dict[str, str]:
    return {package: version(package) for package in ("rdkit", "tblite")}


def restore_all(client: Client, progress: Callable[[int], None]) -> pd.DataFrame:
    """Restore the stereochemistry of all of QM9.

    Args:
        progress: called with the number of molecules that a block held.
    Returns:
        one row per molecule in QM9's order: `qm9_index, mol_id, smiles, inchikey, n_heavy, aside`
        (empty, or the code
        why the label cannot be used), and QM9's four quantities.
    """
    folder = labels_folder()
    receipts = Receipts(folder, "molecules/receipts")
    done = receipts.done()
    tasks = (Task(name, restore_block, (folder.url, name)) for name in _write_blocks(folder, done))
    for completed in run_tasks(client, tasks):
        progress(completed.result.counts["in"])
    names = [f"molecules/{name}.parquet" for name in sorted(receipts.done())]
    molecules: pd.DataFrame = pa.concat_tables([folder.read_table(n) for n in names]).to_pandas()
    return molecules


def _write_blocks(folder: Folder, done: set[str]) -> Iterator[str]:
    entries = qm9.entries()
    number = 0
    while block := list(islice(entries, BLOCK)):
        name = f"block-{number:05d}"
        number += 1
        if name not in done:
            folder.write_table(f"molecules/input/{name}.parquet", _entry_table(block))
            yield name


def _entry_table(block: list[qm9.Entry]) -> pa.Table:
    columns = {name: [getattr(entry, name) for entry in block] for name in qm9.Entry.__slots__}
    columns["positions"] = [entry.positions.ravel() for entry in block]
    return pa.table(columns)


def restore_block(url: str, name: str) -> Receipt:
    """Restore one block on a worker."""
    began = time.monotonic()
    folder = Folder(url)
    table = folder.read_table(f"molecules/input/{name}.parquet")
    outcomes = isolated_map(_restored, table.to_pylist(), wall_clock_seconds=WALL_CLOCK_SECONDS)
    rows = []
    for entry, outcome in zip(table.to_pylist(), outcomes, strict=True):
        row = {
            key: value for key, value in entry.items() if key not in ("atomic_numbers", "positions")
        }
        row["qm9_index"] = row.pop("index")
        row["flat_smiles"] = row.pop("smiles")
        if isinstance(outcome, MoleculeError):
            row |= {"mol_id": "", "smiles": "", "inchikey": "", "n_heavy": 0, "aside": outcome.code}
        else:
            molecule, aside = outcome
            row |= {
                "mol_id": molecule.mol_id,
                "smiles": molecule.smiles,
                "inchikey": molecule.inchikey,
                "n_heavy": molecule.n_heavy,
                "aside": aside,
            }
        row["atomic_numbers"], row["positions"] = entry["atomic_numbers"], entry["positions"]
        rows.append(row)
    path = f"molecules/{name}.parquet"
    files = {path: folder.write_table(path, pa.Table.from_pylist(rows))}
    counts = {"in": len(rows), "aside": sum(row["aside"] != "" for row in rows)}
    receipt = Receipt(name, "labels", counts, files, time.monotonic() - began)
    return Receipts(folder, "molecules/receipts").publish(receipt)


def _restored(entry: Mapping[str, Any]) -> tuple[Molecule, str]:
    positions = np.asarray(entry["positions"]).reshape(-1, 3)
    molecule = identify(
        qm9.restore(entry["smiles"], np.asarray(entry["atomic_numbers"]), positions)
    )
    standard = standardise(molecule.smiles, StandardiseSettings())[0]
    if standard.mol_id != molecule.mol_id:
        return molecule, "other_when_standardised"
    return molecule, "stereo_left_open" if standard.n_undefined_stereo else ""


def make_structures(
    client: Client,
    kind: str,
    molecules: pd.DataFrame,
    splits: pd.DataFrame,
    progress: Callable[[int], None],
) -> None:
    """Make the structures of one kind that are not there yet.

    Args:
        kind: one of `KINDS`.
        molecules: as `restore_all` returns it.
        splits: columns `qm9_index`, `part`, `order`.
        progress: called with the number of molecules that a unit held.
        client: connected; its workers make them.
    """
    store = structure_store(kind)
    wanted = chosen(splits, WANTED[kind])
    missing = wanted[store.locate().find(wanted) < 0]
    lookup = molecules.set_index("qm9_index")
    tasks = (
        Task(f"{kind}-{unit[:8]}", make_unit, (store.folder.url, kind, unit))
        for unit in _write_batches(store.folder, kind, lookup, missing)
    )
    for completed in run_tasks(client, tasks):
        progress(completed.result.counts["in"])


def chosen(splits: pd.DataFrame, wanted: Mapping[str, int]) -> NDArray[np.int64]:
    """QM9 numbers of the first molecules of each part, parts in the order of `wanted`."""
    ordered = splits.sort_values(["order", "qm9_index"])
    parts = [
        ordered.loc[ordered["part"] == part, "qm9_index"].to_numpy(np.int64)[:count]
        for part, count in wanted.items()
    ]
    return np.concatenate(parts)


def _write_batches(
    folder: Folder, kind: str, lookup: pd.DataFrame, rows: NDArray[np.int64]
) -> Iterator[str]:
    columns = ["mol_id", "smiles", "flat_smiles", "atomic_numbers", "positions"]
    for start in range(0, len(rows), UNIT):
        batch = rows[start : start + UNIT]
        unit = digest({"kind": kind, "rows": batch.tolist()})
        table = pa.Table.from_pandas(lookup.loc[batch, columns].reset_index(), preserve_index=False)
        folder.write_table(f"batches/{unit}.parquet", table)
        yield unit


def make_unit(url: str, kind: str, unit: str) -> Receipt:
    """Make the structures of one unit on a worker.

    Args:
        url: of the store.
        kind: of structures.
        unit: its name.
    Returns:
        the receipt that counts.
    """
    began = time.monotonic()
    folder = Folder(url)
    table = folder.read_table(f"batches/{unit}.parquet")
    outcomes = isolated_map(
        partial(label_structure, kind), table.to_pylist(), wall_clock_seconds=WALL_CLOCK_SECONDS
    )
    rows = table["qm9_index"].to_numpy()
    mol_ids = table["mol_id"].to_pylist()
    receipt = StructureStore(folder).write_unit(
        unit, rows, mol_ids, outcomes, time.monotonic() - began
    )
    folder.remove(f"batches/{unit}.parquet")
    return receipt


def label_structure(kind: str, entry: Mapping[str, Any]) -> Structure:
    """The structure of one QM9 molecule, made as `kind` says; atoms in QM9's order where it began
    at QM9's geometry.

    Args:
        entry: `mol_id`, `smiles` (restored), `flat_smiles`, `atomic_numbers` (n_atoms,),
            `positions` (3 n_atoms,), Å.
    Raises:
        MoleculeError: as `make_structure` and `optimised` do.
    """
    if kind == "gfn2-opt":
        return make_structure(entry["smiles"], entry["mol_id"], _geometry(kind))
    if kind == "mmff94-gfn2":
        return with_gfn2(make_structure(entry["smiles"], entry["mol_id"], _geometry(kind)))
    numbers = np.asarray(entry["atomic_numbers"], np.uint8)
    positions = np.asarray(entry["positions"]).reshape(-1, 3)
    if kind == "b3lyp-gfn2":
        return with_gfn2(Structure(numbers, positions.astype(np.float32)))
    molecule, order = qm9.restore_with_order(entry["flat_smiles"], numbers, positions)
    minimum = optimised(molecule, molecule.GetConformer().GetPositions(), _geometry(kind))
    return _reordered(minimum, np.argsort(order))


def _reordered(structure: Structure, order: NDArray[np.int64]) -> Structure:
    return replace(
        structure,
        atomic_numbers=structure.atomic_numbers[order],
        positions=structure.positions[order],
        atom_values={name: values[order] for name, values in structure.atom_values.items()},
    )
