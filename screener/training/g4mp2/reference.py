"""Reference values at the G4(MP2) level, from the folder that `SCREENER_REFERENCE_DATA` names.

Four of its files are read: molecules with B3LYP and G4(MP2) values (`qm9_overlap`), the wider set
without B3LYP values (`ppe1694`), and the two sets that are for the final evaluation alone
(`large_molecules`, `gdb_sugar_small`). Only atomization energies cross the boundary: the total
energies of the files refer to different atoms.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from screener.errors import ConfigError, SchemaError
from screener.records import Structure
from screener.registry.elements import numbers_of
from screener.stores.files import from_parquet
from screener.units import KCAL_PER_HARTREE

VARIABLE = "SCREENER_REFERENCE_DATA"
OVERLAP, PPE = "qm9_overlap", "ppe1694_g4mp2"
ELEMENTS = frozenset(numbers_of(("H", "B", "C", "N", "O", "F", "Si", "P", "S", "Cl")))
FINAL = ("large_molecules_g4mp2", "gdb_sugar_small_g4mp2")


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceMolecule:
    """One molecule with its values: atomization energies at 0 K, kcal/mol, positive when bound."""

    name: str
    origin: str  # file without its ending
    smiles: str
    block: str  # first block of the InChIKey
    structure: Structure  # B3LYP/6-31G(2df,p) geometry, no GFN2 results
    ae0_b3lyp_kcal: float  # zero-point energy unscaled; NaN where the file has none
    ae0_g4mp2_kcal: float
    suspect: str  # why the row deserves care, or empty
    n_heavy: int
    in_ppe: bool  # connectivity occurs in PPE1694
    heating_kcal: float = np.nan  # enthalpy at 298 K minus energy at 0 K
    hof298_g4mp2_kcal: float = np.nan  # enthalpy of formation at 298 K
    hof298_exp_kcal: float = np.nan  # measured


def reference_folder() -> Path:
    """The folder with the reference files.

    Raises:
        ConfigError: the variable is not set, or names no folder.
    """
    named = os.environ.get(VARIABLE)
    if not named:
        raise ConfigError(
            f"set {VARIABLE} to the folder that holds {OVERLAP}.parquet and {PPE}.parquet"
        )
    folder = Path(named).expanduser()
    if not folder.is_dir():
        raise ConfigError(f"{VARIABLE} is {named}, which is no folder")
    return folder


def overlap() -> list[ReferenceMolecule]:
    """Molecules that QM9 and PPE1694 share, at QM9's geometries: both levels are known.

    Raises:
        ConfigError: see `reference_folder`; SchemaError: a file is missing or lacks a column.
    """
    blocks = {row["name"]: row["inchikey"] for row in _rows(PPE, ["name", "inchikey"])}
    columns = [
        "name", "smiles_ppe", "n_heavy", "atomic_numbers_qm9", "positions_qm9",
        "b3lyp_ae0_kcal", "g4mp2_ae0_kcal", "suspect",
    ]  # fmt: skip
    return [
        _molecule(
            {
                **row,
                "smiles": row["smiles_ppe"],
                "inchikey": blocks[row["name"]],
                "atomic_numbers": row["atomic_numbers_qm9"],
                "positions": row["positions_qm9"],
                "in_ppe": True,
            },
            OVERLAP,
        )
        for row in _rows(OVERLAP, columns)
    ]


def ppe() -> list[ReferenceMolecule]:
    """Closed-shell molecules of H, C, N, O and F in PPE1694; no B3LYP values.

    Raises:
        ConfigError, SchemaError: as `overlap`.
    """
    columns = [
        "name", "smiles", "inchikey", "n_heavy", "atomic_numbers", "positions", "g4mp2_ae0_kcal",
        "suspect", "closed_shell_chnof",
    ]  # fmt: skip
    rows = _rows(PPE, columns)
    return [_molecule({**row, "in_ppe": True}, PPE) for row in rows if row["closed_shell_chnof"]]


def closed_shells() -> list[ReferenceMolecule]:
    """Closed-shell molecules of `ELEMENTS` in PPE1694 that have a SMILES and a value.

    Raises:
        ConfigError, SchemaError: as `overlap`.
    """
    columns = [
        "name", "smiles", "inchikey", "n_heavy", "atomic_numbers", "positions", "g4mp2_ae0_kcal",
        "suspect", "multiplicity", "charge", "g4mp2_u0_ha", "g4mp2_ht_ha", "g4mp2_hof298_kcal",
        "hof298_exp_kcal",
    ]  # fmt: skip
    return [
        _molecule({**row, "in_ppe": True}, PPE)
        for row in _rows(PPE, columns)
        if (row["multiplicity"], row["charge"]) == (1, 0)
        and row["smiles"]
        and set(row["atomic_numbers"]) <= ELEMENTS
        and np.isfinite(row["g4mp2_ae0_kcal"] or np.nan)
    ]


def final(origin: str) -> list[ReferenceMolecule]:
    """One of `FINAL`, the sets that nothing is chosen on.

    Raises:
        ConfigError, SchemaError: as `overlap`.
    """
    columns = [
        "name", "smiles", "inchikey", "n_heavy", "atomic_numbers", "positions", "b3lyp_ae0_kcal",
        "g4mp2_ae0_kcal", "in_ppe",
    ]  # fmt: skip
    return [_molecule({**row, "suspect": ""}, origin) for row in _rows(origin, columns)]


def _rows(origin: str, columns: list[str]) -> list[dict[str, Any]]:
    path = reference_folder() / f"{origin}.parquet"
    if not path.is_file():
        raise SchemaError(f"there is no {path.name} in the folder that {VARIABLE} names")
    try:
        rows: list[dict[str, Any]] = from_parquet(path.read_bytes(), columns).to_pylist()
    except KeyError as error:
        raise SchemaError(f"{path.name} has no column {error}") from error
    return rows


def _molecule(row: Mapping[str, Any], origin: str) -> ReferenceMolecule:
    numbers = np.asarray(row["atomic_numbers"], dtype=np.uint8)
    positions = np.asarray(row["positions"], dtype=np.float32).reshape(-1, 3)
    return ReferenceMolecule(
        name=row["name"],
        origin=origin,
        smiles=row["smiles"],
        block=row["inchikey"][:14],
        structure=Structure(numbers, positions),
        ae0_b3lyp_kcal=_number(row, "b3lyp_ae0_kcal"),
        ae0_g4mp2_kcal=_number(row, "g4mp2_ae0_kcal"),
        suspect=row["suspect"],
        n_heavy=int(row["n_heavy"]),
        in_ppe=bool(row["in_ppe"]),
        heating_kcal=(_number(row, "g4mp2_ht_ha") - _number(row, "g4mp2_u0_ha")) * KCAL_PER_HARTREE,
        hof298_g4mp2_kcal=_number(row, "g4mp2_hof298_kcal"),
        hof298_exp_kcal=_number(row, "hof298_exp_kcal"),
    )


def _number(row: Mapping[str, Any], name: str) -> float:
    """NaN where there is none."""
    value = row.get(name)
    return np.nan if value is None else float(value)
