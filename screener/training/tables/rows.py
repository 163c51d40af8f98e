"""Rows of an outside Parquet or CSV file, as far as the file alone says: text, geometries, labels.

Labels come out in our own units and signs. What a row lacks is said row by row; nothing is dropped.
Structures and identities are made in `training.labelled`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from screener.errors import ConfigError, MoleculeError
from screener.library.whole_tables import read_whole
from screener.records import Structure
from screener.registry.elements import N_ELEMENTS
from screener.training.tables.conventions import stored
from screener.training.tables.options import TableOptions

FloatArray = NDArray[np.float64]

_MISSING = pa.array(pyarrow.csv.ConvertOptions().null_values)  # texts for a number that is none


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The chosen rows of one file, n of them.

    `geometries` are empty where the options name no columns of positions, `smiles` where they name
    none of SMILES.
    """

    numbers: NDArray[np.int64]  # (n,), 0-based place in the file
    smiles: tuple[str | None, ...]
    geometries: tuple[Structure | MoleculeError, ...]
    labels: dict[str, FloatArray]  # (n,) by column, stored unit and sign; NaN where missing
    low: FloatArray | None  # (n,), of the low level's column, in its unit
    n_left_out: int  # rows that `where` does not choose

    def __len__(self) -> int:
        return len(self.numbers)


def read_rows(options: TableOptions, low: str | None = None) -> Rows:
    """Read the file.

    Args:
        options: columns and conventions.
        low: what the options' column of low values holds, such as `ae0_b3lyp_kcal`.
    Raises:
        ConfigError: it cannot be read, lacks a column, or no row is chosen.
    """
    table, _ = read_whole(options.path, options.columns())
    n_all = table.num_rows
    kept = np.ones(n_all, dtype=bool)
    for name, value in options.where.items():
        kept &= np.array([_text(each) == value for each in table[name].to_pylist()], dtype=bool)
    if not kept.any():
        chosen = ", ".join(f"{name}={value}" for name, value in options.where.items())
        raise ConfigError(f"{options.path} has no row" + (f" with {chosen}" if chosen else ""))
    numbers = np.flatnonzero(kept)
    table = table.take(pa.array(numbers))
    low_values = None
    if options.low is not None and low is not None:
        column = options.column_of(low)
        low_values = stored(
            _numbers(table, options.low), column, options.unit_of(low), options.sign
        )
    return Rows(
        numbers=numbers,
        smiles=_smiles(table, options.smiles),
        geometries=_geometries(table, options),
        labels={
            name: stored(
                _numbers(table, column),
                options.column_of(name),
                options.unit_of(name),
                options.sign,
            )
            for name, column in options.labels.items()
        },
        low=low_values,
        n_left_out=n_all - len(numbers),
    )


def read_texts(path: str, column: str, numbers: NDArray[np.int64]) -> list[str]:
    """A column as text, of some rows of the file; empty where there is none.

    Args:
        path: of the file.
        column: its name.
        numbers: int64 (n,), rows from 0.
    Returns:
        n texts.
    Raises:
        ConfigError: the file cannot be read or lacks the column.
    """
    table, _ = read_whole(path, [column])
    return [_text(value) for value in table[column].take(pa.array(numbers)).to_pylist()]


def _text(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _numbers(table: pa.Table, name: str) -> FloatArray:
    column = table[name]
    if pa.types.is_string(column.type):
        texts = pc.utf8_trim_whitespace(column)
        column = pc.if_else(pc.is_in(texts, _MISSING), None, pc.utf8_ltrim(texts, "+"))
    try:
        values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ConfigError(f"column {name} does not hold numbers: {error}") from error
    result = np.array(values, dtype=np.float64)
    result[~np.isfinite(result)] = np.nan
    return result


def _smiles(table: pa.Table, name: str | None) -> tuple[str | None, ...]:
    if name is None:
        return ()
    values = table[name].to_pylist()
    if not all(value is None or isinstance(value, str) for value in values):
        raise ConfigError(f"column {name} does not hold text")
    return tuple(values)


def _geometries(table: pa.Table, options: TableOptions) -> tuple[Structure | MoleculeError, ...]:
    if options.positions is None or options.atomic_numbers is None:
        return ()
    for name in (options.positions, options.atomic_numbers):
        if not isinstance(table.schema.field(name).type, pa.ListType | pa.LargeListType) and not (
            pa.types.is_fixed_size_list(table.schema.field(name).type)
        ):
            raise ConfigError(f"column {name} does not hold lists of numbers")
    columns = table[options.atomic_numbers].to_pylist(), table[options.positions].to_pylist()
    return tuple(_geometry(*row) for row in zip(*columns, strict=True))


def _geometry(
    numbers: Sequence[int] | None, positions: Sequence[object] | None
) -> Structure | MoleculeError:
    if not numbers or not positions:
        return MoleculeError("no_geometry", "there are no positions or no atomic numbers")
    try:
        atoms = np.array(numbers, dtype=np.float64)
        places = np.array(positions, dtype=np.float64).reshape(-1, 3)
    except (TypeError, ValueError) as error:  # ragged, text or missing numbers
        return MoleculeError("broken_geometry", f"these are no positions: {error}")
    if len(places) != len(atoms):
        return MoleculeError(
            "broken_geometry", f"{len(atoms)} atomic numbers, but {places.size} coordinates"
        )
    if not np.isfinite(places).all():
        return MoleculeError("broken_geometry", "a coordinate is not finite")
    if not ((atoms >= 1) & (atoms <= N_ELEMENTS) & (atoms == np.floor(atoms))).all():
        return MoleculeError("broken_geometry", "an atomic number is none of an element")
    if int(atoms.sum()) % 2:
        return MoleculeError(
            "open_shell", "an odd number of electrons; models are for closed shells"
        )
    return Structure(atoms.astype(np.uint8), places.astype(np.float32))
