"""One batch of outside molecules on a worker: who they are, and their structures.

The functions that run in chemistry processes, and the tasks around them, which read a batch, write
the outcomes and publish the receipt. `making` cuts the batches and collects what they became.
"""

import time
from functools import partial
from typing import Any, TypedDict

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict
from rdkit import Chem, rdBase
from rdkit.Chem import rdDetermineBonds

from screener.chemistry.geometry import with_positions
from screener.chemistry.gfn2 import with_gfn2
from screener.chemistry.standardise import StandardiseSettings, standardise, standardise_mol
from screener.chemistry.structures import StructureSettings, make_structure
from screener.errors import MoleculeError
from screener.execution.child import isolated_map
from screener.records import Molecule, Receipt, Structure
from screener.stores.files import Folder
from screener.stores.receipts import Receipts
from screener.stores.structures import StructureStore

INPUT = pa.schema(
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
    """What a task is given of one molecule.

    Args:
        smiles: canonical isomeric SMILES; None where only a geometry is given.
        mol_id: of the molecule.
        geometry: atomic numbers and positions, where they are given.
    Returns:
        plain values that travel in a table.
    """
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

    geometry: StructureSettings | None
    gfn2: bool

    @property
    def costs(self) -> StructureSettings:
        """Settings at which structures cost as much; given geometries cost little."""
        return self.geometry or StructureSettings()


def identify_batch(url: str, unit: str) -> Receipt:
    """Identify one batch on a worker."""
    began = time.monotonic()
    folder = Folder(url)
    receipts = Receipts(folder)
    if receipts.has(unit):  # an attempt that lost its worker may have come this far
        return receipts.read(unit)
    outcomes = isolated_map(
        identity_of,
        _entries(folder, unit),
        wall_clock_seconds=StructureSettings().wall_clock_seconds,
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
    """Make the structures of one batch on a worker.

    Args:
        url: of the folder.
        unit: names the batch.
        how: what is made.
    Returns:
        the receipt that counts.
    """
    began = time.monotonic()
    store = StructureStore(Folder(url))
    if store.receipts.has(unit):
        return store.receipts.read(unit)
    entries = _entries(store.folder, unit)
    outcomes = isolated_map(
        partial(structure_of, how=how), entries, wall_clock_seconds=how.costs.wall_clock_seconds
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
        MoleculeError: as `make_structure` and `with_gfn2` do.
    """
    if how.geometry is None:
        structure = Structure(*_geometry(entry))
    else:
        assert entry["smiles"] is not None
        structure = make_structure(entry["smiles"], entry["mol_id"], how.geometry)
    if not how.gfn2 or "energy_gfn2_ha" in structure.values:
        return structure
    return with_gfn2(structure)


def _geometry(entry: Entry) -> tuple[Any, Any]:
    """Atomic numbers uint8 (n_atoms,) and positions float32 (n_atoms, 3), angstrom."""
    numbers = np.asarray(entry["atomic_numbers"], dtype=np.uint8)
    return numbers, np.asarray(entry["positions"], dtype=np.float32).reshape(-1, 3)


def _entries(folder: Folder, unit: str) -> list[Entry]:
    rows: list[Entry] = folder.read_table(f"input/{unit}.parquet").to_pylist()
    return rows
