"""Rows of an outside Parquet or CSV file, as far as the file alone says: text, geometries, labels.

Labels come out in our own units and signs. What a row lacks is said row by row; nothing is dropped.
Structures and identities are made in `training.labelled`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screener.errors import ConfigError, MoleculeError
from screener.library.whole_tables import read_whole
from screener.ranking.columns import is_numeric, is_text
from screener.records import Structure
from screener.registry.elements import N_ELEMENTS
from screener.stores.number_texts import first_text, numbers_of
from screener.stores.plain_columns import readable
from screener.training.tables.conventions import stored
from screener.training.tables.options import TableOptions

FloatArray = NDArray[np.float64]


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
        kept &= np.array([text == value for text in _texts(table[name])], dtype=bool)
    if not kept.any():
        chosen = ", ".join(f"{name}={value}" for name, value in options.where.items())
        raise ConfigError(f"{options.path} has no row" + (f" with {chosen}" if chosen else ""))
    numbers = np.flatnonzero(kept)
    table = table.take(pa.array(numbers))
    low_values = None
    if options.low is not None and low is not None:
        column = options.column_of(low)
        low_values = stored(
            _numbers(table, options.low, numbers), column, options.unit_of(low), options.sign
        )
    return Rows(
        numbers=numbers,
        smiles=_smiles(table, options.smiles),
        geometries=_geometries(table, options),
        labels={
            name: stored(
                _numbers(table, column, numbers),
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
    return _texts(table[column].take(pa.array(numbers)))


def _texts(column: pa.ChunkedArray) -> list[str]:
    """Values as text, empty where there is none; numbers as Python writes them."""
    if pa.types.is_floating(column.type):
        return ["" if value is None else str(value) for value in column.to_pylist()]
    return [value or "" for value in readable(column).to_pylist()]


def _numbers(table: pa.Table, name: str, rows: NDArray[np.int64]) -> FloatArray:
    """A column as float64 (n,), NaN where there is no number.

    Args:
        table: (n,) rows.
        name: of the column.
        rows: int64 (n,), their places in the file, from 0.
    Raises:
        ConfigError: it does not hold numbers.
    """
    column = table[name]
    if is_text(column.type):
        if (first := first_text(column)) is not None:
            place, text = first
            raise ConfigError(
                f"column {name} does not hold numbers: {text!r} in row {rows[place] + 1}; change "
                "it, or leave the row out (an empty field or NA is a missing number)"
            )
        return numbers_of(column)
    if not is_numeric(column.type):
        raise ConfigError(f"column {name} does not hold numbers: it holds {column.type}")
    values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    result = np.array(values, dtype=np.float64)
    result[~np.isfinite(result)] = np.nan
    return result


def _smiles(table: pa.Table, name: str | None) -> tuple[str | None, ...]:
    if name is None:
        return ()
    if not is_text(table.schema.field(name).type):
        raise ConfigError(f"column {name} does not hold text")
    return tuple(table[name].to_pylist())


def _geometries(table: pa.Table, options: TableOptions) -> tuple[Structure | MoleculeError, ...]:
    if options.positions is None or options.atomic_numbers is None:
        return ()
    for name in (options.positions, options.atomic_numbers):
        if not pa.types.is_list(table.schema.field(name).type):
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
