"""Structures of reference molecules at each geometry level, made once and kept.

Below `$SCREENER_HOME/reference/<kind>-<digest>`, in the store that campaigns use; a row is named by
the molecule's own content, so another file or another subset of one finds what is there.
"""

import hashlib
import logging
import time
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from typing import Literal

import numpy as np
from rdkit import Chem

from screener.chemistry.gfn2 import with_gfn2
from screener.chemistry.standardise import StandardiseSettings, standardise
from screener.chemistry.structures import StructureSettings, make_structure, optimised
from screener.errors import MoleculeError
from screener.execution.child import isolated_map
from screener.records import Structure
from screener.stores.files import Folder, digest
from screener.stores.home import screener_home
from screener.stores.structures import StructureStore
from screener.training.g4mp2.reference import ReferenceMolecule
from screener.training.qm9 import molecules as qm9

log = logging.getLogger(__name__)

Kind = Literal["b3lyp", "gfn2-opt-from-b3lyp", "gfn2-opt"]
UNIT = 16
WALL_CLOCK_SECONDS = 120.0


def structures(
    kind: Kind, molecules: Sequence[ReferenceMolecule], n_conformers: int = 1
) -> list[Structure | None]:
    """Structures with GFN2 results, one per molecule; None where one cannot be made.

    Args:
        kind: `b3lyp`, the published geometry; `gfn2-opt-from-b3lyp`, the minimum reached from it;
            `gfn2-opt`, from the SMILES alone, as a campaign makes it.
        molecules: of any origin.
        n_conformers: embedded for `gfn2-opt`.
    Returns:
        in the order of the molecules.
    """
    settings = StructureSettings.at("gfn2-opt", n_conformers)
    store = _store(kind, settings)
    rows = np.array([_row(molecule) for molecule in molecules], dtype=np.int64)
    missing = np.flatnonzero(store.locate().find(rows) < 0)
    for start in range(0, len(missing), UNIT):
        some = [molecules[place] for place in missing[start : start + UNIT]]
        began = time.monotonic()
        outcomes = isolated_map(
            partial(make_reference_structure, kind, settings),
            some,
            wall_clock_seconds=WALL_CLOCK_SECONDS,
        )
        here = rows[missing[start : start + UNIT]]
        names = [molecule.name for molecule in some]
        store.write_unit(
            digest({"rows": here.tolist()}), here, names, outcomes, time.monotonic() - began
        )
        log.info("%s: %d of %d structures made", kind, start + len(some), len(missing))
    index = store.locate()
    at = index.find(rows)
    held = {unit: store.read_unit(index.units[unit]) for unit in set(index.unit_of[at].tolist())}
    return [held[int(index.unit_of[place])].structures[int(index.position[place])] for place in at]


def make_reference_structure(
    kind: Kind, settings: StructureSettings, molecule: ReferenceMolecule
) -> Structure:
    """One structure with GFN2 results, see `structures`.

    Args:
        kind: see `structures`.
        settings: of the level.
        molecule: with its published geometry.
    Returns:
        the structure.
    Raises:
        MoleculeError: as `standardise`, `make_structure`, `optimised` and `restore` do.
    """
    if kind == "gfn2-opt":
        standard = standardise(molecule.smiles, StandardiseSettings())[0]
        return make_structure(standard.smiles, standard.mol_id, settings)
    numbers, positions = molecule.structure.atomic_numbers, molecule.structure.positions
    if kind == "b3lyp":
        return with_gfn2(Structure(numbers, positions))
    flat = Chem.MolFromSmiles(molecule.smiles)
    if flat is None:
        raise MoleculeError("invalid_smiles", f"RDKit cannot read {molecule.smiles}")
    Chem.RemoveStereochemistry(flat)
    placed = qm9.restore(Chem.MolToSmiles(flat), numbers, positions)
    return optimised(placed, placed.GetConformer().GetPositions(), settings)


def _store(kind: Kind, settings: StructureSettings) -> StructureStore:
    versions = {package: version(package) for package in ("rdkit", "tblite")}
    named = digest({"kind": kind, "settings": settings.model_dump(), "versions": versions})
    folder = Folder(str(screener_home() / "reference"))
    return StructureStore(folder.child(f"{kind}-{named[:12]}"))


def _row(molecule: ReferenceMolecule) -> int:
    content = molecule.smiles.encode() + molecule.structure.positions.tobytes()
    return int.from_bytes(hashlib.sha256(content).digest()[:7], "big")
