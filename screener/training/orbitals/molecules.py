"""Molecules whose B3LYP orbital energies and dipole moments are learned, and where they are from.

- QM9 (Ramakrishnan et al., Sci. Data 1, 140022 (2014)) at its geometries.
- PPE1694 (Das et al., J. Chem. Phys. 154, 044113 (2021)), ten elements: labels of
  `screener/data/b3lyp/ppe1694.parquet`, at the published geometries, which lie in the folder that
  `SCREENER_REFERENCE_DATA` names.
- Battery-like molecules of ten elements: `screener/data/b3lyp/battery.parquet`, at the minima of
  AIMNet2.

All labels are values at the geometry that is given, so all of these teach the same.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from screener.chemistry.levels import GFN2
from screener.errors import MoleculeError
from screener.records import Structure
from screener.stores.files import from_parquet
from screener.structures.recipe import Item, Recipe
from screener.structures.site import Site, structures
from screener.training.fit.data import FitData
from screener.training.g4mp2.reference import closed_shells
from screener.training.qm9 import committed
from screener.training.qm9.dataset import load

COLUMNS = ("homo_b3lyp_ev", "lumo_b3lyp_ev", "dipole_b3lyp_debye")
PPE, BATTERY = "PPE1694", "battery-like"


@dataclass(frozen=True, slots=True, eq=False)
class OtherMolecules:
    """Molecules that are not of QM9, (n,) each.

    Args:
        data: structures with GFN2 values, and labels.
        sources: `PPE` or `BATTERY`.
        classes: what a battery-like molecule was chosen for; "" of others.
        graphs: canonical SMILES without stereochemistry; molecules of one are never parted.
        n_failed: molecules that have labels or GFN2 values of none of which anything can be made.
    """

    data: FitData
    sources: NDArray[np.str_]
    classes: NDArray[np.str_]
    graphs: NDArray[np.str_]
    n_failed: int


def other_molecules() -> OtherMolecules:
    """Those of PPE1694 and the battery-like ones that have labels.

    Raises:
        ConfigError, SchemaError: the reference data are missing or broken.
    """
    rows = [*_ppe(), *_battery()]
    recipe = Recipe.at_geometry((GFN2.name,))
    items = [Item("", row.smiles, row.structure) for row in rows]
    made = structures(items, recipe, Site(None))
    both = [
        (row, each)
        for row, each in zip(rows, made, strict=True)
        if not isinstance(each, MoleculeError) and row.labels
    ]
    kept = [row for row, _ in both]
    high = {
        name: np.array([row.labels[name] for row in kept], dtype=np.float64) for name in COLUMNS
    }
    return OtherMolecules(
        FitData([each for _, each in both], high),
        np.array([row.source for row in kept]),
        np.array([row.kind for row in kept]),
        np.array([_graph(row.smiles) for row in kept]),
        len(rows) - len(kept),
    )


def qm9_molecules(
    part: str, n: int, *, kind: str = committed.AT_B3LYP, besides: Collection[str] = ()
) -> FitData:
    """Molecules of a part of QM9.

    Args:
        part: such as `fit`.
        n: the first so many of the part; of these without the reserved connectivities.
        kind: of `qm9.labels.KINDS`; by default at QM9's own geometries.
        besides: canonical SMILES without stereochemistry of molecules to leave out.
    Returns:
        structures with GFN2 values, and labels.
    Raises:
        ConfigError: structures of this kind are not made.
    """
    drawn, _ = load(kind, {part: n}).parted()
    entries, left_out = committed.entries(), set(besides)
    kept = [
        place
        for place, row in enumerate(drawn.qm9_index.tolist())
        if not left_out or _graph(entries[row].smiles) not in left_out
    ]
    some = drawn.data.subset(np.array(kept))
    return FitData(some.structures, {name: some.high[name] for name in COLUMNS})


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    smiles: str
    structure: Structure
    labels: Mapping[str, float]  # empty where there are none
    source: str
    kind: str = ""


def _ppe() -> list[_Row]:
    labels = {row["name"]: row for row in _read("ppe1694")}
    return [
        _Row(each.smiles, each.structure, _labels(labels[each.name]), PPE)
        for each in closed_shells()
        if each.name in labels
    ]


def _battery() -> list[_Row]:
    return [
        _Row(
            row["smiles"],
            Structure(
                np.asarray(row["atomic_numbers"], dtype=np.uint8),
                np.asarray(row["positions"], dtype=np.float32).reshape(-1, 3),
            ),
            _labels(row),
            BATTERY,
            row["class"],
        )
        for row in _read("battery")
        if not row["code"]
    ]


def _labels(row: Mapping[str, Any]) -> dict[str, float]:
    return {} if row["code"] else {name: row[name] for name in COLUMNS}


def _read(name: str) -> list[dict[str, Any]]:
    data = (files("screener.data") / "b3lyp" / f"{name}.parquet").read_bytes()
    rows: list[dict[str, Any]] = from_parquet(data).to_pylist()
    return rows


def _graph(smiles: str) -> str:
    molecule = Chem.MolFromSmiles(smiles)
    if molecule is None:  # QM9 has some that are no molecules to RDKit
        return smiles
    return str(Chem.MolToSmiles(molecule, isomericSmiles=False))
