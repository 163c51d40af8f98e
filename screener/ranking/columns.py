"""Columns that a ranking needs: checks before a run starts, and those computed from others."""

import difflib
from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from screener.errors import ConfigError
from screener.ranking.objectives import Constraint, Objective, RankingSettings

# name -> the columns it is made of
COMPUTED_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "ae0_b3lyp_kcal_per_atom": ("ae0_b3lyp_kcal", "n_atoms"),
}
_UNCERTAINTIES = ("", "_std", "_lo90", "_hi90", "_delta")


def with_computed(table: pa.Table) -> pa.Table:
    """The table, with the computed columns whose inputs it has appended.

    Args:
        table: any rows; `ae0_b3lyp_kcal` (kcal/mol) and `n_atoms` give `ae0_b3lyp_kcal_per_atom`,
            and its `_std`, `_lo90`, `_hi90` and `_delta` where those of the energy are there
            (kcal/mol per atom, hydrogens included).
    Returns:
        float64 columns, null where an input is null.
    """
    if not {"ae0_b3lyp_kcal", "n_atoms"} <= set(table.column_names):
        return table
    n_atoms = pc.cast(table["n_atoms"], pa.float64())
    for suffix in _UNCERTAINTIES:
        source, name = f"ae0_b3lyp_kcal{suffix}", f"ae0_b3lyp_kcal_per_atom{suffix}"
        if source in table.column_names and name not in table.column_names:
            values = pc.divide(pc.cast(table[source], pa.float64()), n_atoms)
            table = table.append_column(name, values)
    return table


def check_columns(settings: RankingSettings, known_columns: Iterable[str]) -> None:
    """Refuse objectives and constraints on columns that no stage and no library has.

    Args:
        settings: what is asked.
        known_columns: every stored column of all stages and of the library; computed columns whose
            inputs are among them count as known.
    Raises:
        ConfigError: names the first unknown column and the nearest known ones.
    """
    known = set(known_columns)
    known |= {name for name, inputs in COMPUTED_COLUMNS.items() if known.issuperset(inputs)}
    for column in settings.columns:
        if column in known:
            continue
        names = {name.lower(): name for name in values_of(sorted(known))}
        near = difflib.get_close_matches(column.lower(), names, n=3, cutoff=0.45)
        hint = (
            f"did you mean {', '.join(names[name] for name in near)}?"
            if near
            else f"known are {', '.join(names.values())}"
        )
        raise ConfigError(f"unknown column {column!r} in an objective or constraint; {hint}")


def values_of(columns: Iterable[str]) -> list[str]:
    """Those of `columns` that are values in their own right, no uncertainty and no correction."""
    return [name for name in columns if not name.endswith(_UNCERTAINTIES[1:])]


def left_out(settings: RankingSettings, columns: Iterable[str]) -> list[str]:
    """Objectives and constraints, as text, that a table with these columns cannot answer.

    Args:
        settings: what is asked.
        columns: names as they are after `with_computed`.
    """
    present = set(columns)
    asked: list[Objective | Constraint] = [*settings.objectives, *settings.constraints]
    return [each.text for each in asked if each.column not in present]


def check_numeric(settings: RankingSettings, schema: pa.Schema) -> None:
    """Refuse objectives and constraints on columns of text before anything is started.

    Raises:
        ConfigError: names the column and its type. Columns that the schema does not have are no
            concern of this.
    """
    for column in settings.columns:
        if column in schema.names and not is_numeric(schema.field(column).type):
            raise ConfigError(
                f"column {column!r} holds {schema.field(column).type}, and an objective or "
                "constraint needs numbers; convert it in the input, or ask for another column"
            )


def is_numeric(kind: pa.DataType) -> bool:
    """Whether values of this type can be compared with a bound."""
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal)
    # a column that is null throughout has no other type
    return any(test(kind) for test in tests) or bool(pa.types.is_null(kind))
