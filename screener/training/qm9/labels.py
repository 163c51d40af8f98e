"""Training labels: QM9's stereochemistry, and GFN2 values at several geometries, made by the
product itself.

Identities and B3LYP values, with stereochemistry restored, lie in `$SCREENER_HOME/labels` as
`molecules/<block>.parquet`, with receipts, so an interrupted run goes on where it was. Structures
are made and kept like those of campaigns and of outside tables, by `screener.structures`.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from distributed import Client
from numpy.typing import NDArray

from screener.chemistry.identity import identify
from screener.chemistry.levels import GFN2, GFN2_OPT, MMFF94
from screener.chemistry.placing import restore
from screener.chemistry.standardise import StandardiseSettings, standardise
from screener.chemistry.structures import StructureSettings
from screener.errors import MoleculeError
from screener.execution.child import isolated_map
from screener.execution.tasks import Task, run_tasks
from screener.potentials.levels import AIMNET2_OPT
from screener.records import Molecule, Receipt, Structure
from screener.stores.files import Folder
from screener.stores.home import screener_home
from screener.stores.receipts import Receipts
from screener.structures import site as making
from screener.structures.make import find_structures
from screener.structures.recipe import GEOMETRY, Item, Recipe
from screener.structures.recipe_store import store_of
from screener.structures.site import Site, own_root
from screener.training.qm9 import molecules as qm9
from screener.training.splits import N_CALIBRATION, N_FIT_AND_SELECTION, N_SELECTION

log = logging.getLogger(__name__)

WALL_CLOCK_SECONDS = 120.0
BLOCK = 4096  # QM9 entries restored by one task

# How many molecules of each part are labelled, in each part's own order; kinds are made in this
# order. `b3lyp-gfn2` and `mmff94-gfn2` are GFN2 single points at QM9's geometry and at the force
# field's; `gfn2-opt-from-b3lyp` is the minimum reached from QM9's geometry, so that conformer and
# label belong together; `gfn2-opt`, `mmff94-gfn2` and `aimnet2-opt` start from the SMILES, as a
# campaign does, the last one from several conformers.
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
    AIMNET2_OPT.name: {"test": 1_000},
}
N_CONFORMERS = 10  # embedded for `aimnet2-opt`
KINDS = tuple(WANTED)


def labels_folder() -> Folder:
    """The folder that all labels are in."""
    return Folder(str(screener_home() / "labels"))


def recipe_of(kind: str) -> Recipe:
    """How the structures of a kind are made."""
    if kind == "b3lyp-gfn2":
        return Recipe.at_geometry((GFN2.name,))
    if kind == "mmff94-gfn2":
        return Recipe.from_drawing(StructureSettings.at(MMFF94.name, values=(GFN2.name,)))
    if kind == AIMNET2_OPT.name:
        settings = StructureSettings.at(kind, N_CONFORMERS, values=(GFN2.name,))
        return Recipe.from_drawing(settings)
    settings = StructureSettings.at(GFN2_OPT.name)
    if kind == "gfn2-opt-from-b3lyp":
        return Recipe.minimum_from_geometry(settings)
    return Recipe.from_drawing(settings)


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
    return restored()


def restored() -> pd.DataFrame:
    """The molecules whose stereochemistry is restored, as `restore_all` returns them."""
    folder = labels_folder()
    done = sorted(Receipts(folder, "molecules/receipts").done())
    if not done:
        return pd.DataFrame({"qm9_index": np.empty(0, dtype=np.int64)})
    tables = [folder.read_table(f"molecules/{name}.parquet") for name in done]
    molecules: pd.DataFrame = pa.concat_tables(tables).to_pandas()
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
    molecule = identify(restore(entry["smiles"], np.asarray(entry["atomic_numbers"]), positions))
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
        client: connected.
        kind: one of `KINDS`.
        molecules: as `restore_all` returns it.
        splits: columns `qm9_index`, `part`, `order`.
        progress: called with the number of molecules that are there since it was called last.
    """
    n_reported = 0

    def report(what: str, n_done: int, n_items: int) -> None:
        nonlocal n_reported
        progress(n_done - n_reported)
        n_reported = n_done

    items = _items(kind, molecules, chosen(splits, WANTED[kind]))
    making.make_structures(items, recipe_of(kind), Site(lambda: nullcontext(client), report))


def made(kind: str, rows: NDArray[np.int64]) -> list[Structure | MoleculeError | None]:
    """What became of molecules of QM9.

    Args:
        kind: one of `KINDS`.
        rows: int64 (n,), QM9's numbers.
    Returns:
        (n,), None where nothing was made yet.
    """
    recipe, molecules = recipe_of(kind), restored()
    known = np.flatnonzero(np.isin(rows, molecules["qm9_index"]))
    items = _items(kind, molecules, rows[known])
    outcomes: list[Structure | MoleculeError | None] = [None] * len(rows)
    if items:
        stored = find_structures(store_of(recipe, own_root()), recipe.keys(items))
        for place, outcome in zip(known.tolist(), stored, strict=True):
            outcomes[place] = outcome
    return outcomes


def _items(kind: str, molecules: pd.DataFrame, rows: NDArray[np.int64]) -> list[Item]:
    """What structures of these numbers start from."""
    is_given = recipe_of(kind).start == GEOMETRY
    table = molecules.set_index("qm9_index").loc[rows]
    return [
        Item(str(entry.mol_id), str(entry.flat_smiles), _geometry_of(entry))
        if is_given
        else Item(str(entry.mol_id), str(entry.smiles))
        for entry in table.itertuples()
    ]


def _geometry_of(entry: Any) -> Structure:
    positions = np.asarray(entry.positions, dtype=np.float32).reshape(-1, 3)
    return Structure(np.asarray(entry.atomic_numbers, dtype=np.uint8), positions)


def chosen(splits: pd.DataFrame, wanted: Mapping[str, int]) -> NDArray[np.int64]:
    """QM9 numbers of the first molecules of each part, parts in the order of `wanted`."""
    ordered = splits.sort_values(["order", "qm9_index"])
    parts = [
        ordered.loc[ordered["part"] == part, "qm9_index"].to_numpy(np.int64)[:count]
        for part, count in wanted.items()
    ]
    return np.concatenate(parts)
