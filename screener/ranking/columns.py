"""Columns that a ranking needs: checks before a run starts, and those computed from others.

A column that is asked for is, in this order: one of the table, one computed here by its name, or an
expression of such columns (`screener.ranking.expressions`), which is then called by its text.
"""

import difflib
from collections.abc import Container, Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from rdkit import Chem

from screener.chemistry.accessibility import sa_score
from screener.chemistry.alerts import alerts, alerts_of
from screener.errors import ConfigError
from screener.ranking.expressions import is_name, parse_expression
from screener.ranking.objectives import Constraint, Objective, RankingSettings
from screener.registry.columns import PER_ATOM, columns, levels, names_of_now
from screener.stores.number_texts import first_text, numbers_of
from screener.stores.predictions import with_names_of_now

FloatArray = NDArray[np.float64]

# columns made of the drawing alone, and only where they are asked for
STRUCTURAL_COLUMNS = ("sa_score", "alerts", *(f"alert_{each.name}" for each in alerts()))
_N_ATOMS = "n_atoms"
_UNCERTAINTIES = ("", "_std", "_lo90", "_hi90", "_delta")


def with_asked(table: pa.Table, settings: RankingSettings) -> pa.Table:
    """The table with every column that the settings ask for and that can be had from it.

    Args:
        table: any rows.
        settings: what is asked; columns that are missing and whose inputs are missing stay missing.
    Returns:
        the table of `with_computed` and `with_structural`, then one float64 column for each
        expression, null where it has no value.
    Raises:
        ConfigError: an expression cannot be read, or a column in it is not numeric.
    """
    table = with_names_of_now(table)
    wanted = inputs_of(settings, table.column_names)
    table = with_structural(with_computed(table, wanted), wanted)
    for column in settings.columns:
        names = inputs_of_column(column, table.column_names)
        if names != (column,) and set(names) <= set(table.column_names):
            values = parse_expression(column).values({each: numbers(table, each) for each in names})
            table = table.append_column(column, pa.array(values, pa.float64(), from_pandas=True))
    return table


def with_structural(
    table: pa.Table, names: Iterable[str], mols: Sequence[Chem.Mol] | None = None
) -> pa.Table:
    """The table, with those of `names` appended that are made of the drawing alone.

    Args:
        table: rows with `smiles`; without that column nothing is appended.
        names: of columns; those that the table has and those not known here are passed over.
            `sa_score` (1 to 10), `alerts` (how many kinds), `alert_<name>` (0 or 1).
        mols: the molecules, where they are at hand.
    Returns:
        the table; `sa_score` is float64, the others are int32.
    """
    wanted = [
        name
        for name in dict.fromkeys(names)
        if name in STRUCTURAL_COLUMNS and name not in table.column_names
    ]
    if not wanted or "smiles" not in table.column_names:
        return table
    if mols is None:
        mols = [Chem.MolFromSmiles(smiles) for smiles in table["smiles"].to_pylist()]
    if "sa_score" in wanted:
        scores = pa.array([sa_score(mol) for mol in mols], pa.float64())
        table = table.append_column("sa_score", scores)
    if any(name.startswith("alert") for name in wanted):
        raised = [alerts_of(mol) for mol in mols]
        for name in wanted:
            if name == "alerts":
                values = [len(each) for each in raised]
            elif name.startswith("alert_"):
                values = [int(name.removeprefix("alert_") in each) for each in raised]
            else:
                continue
            table = table.append_column(name, pa.array(values, pa.int32()))
    return table


def inputs_of(settings: RankingSettings, present: Iterable[str]) -> list[str]:
    """Every column that is read, those of expressions instead of the expressions.

    Args:
        settings: what is asked.
        present: columns of the table; a name among them is that column and no expression.
    Raises:
        ConfigError: an expression cannot be read.
    """
    known = set(present)
    return list(
        dict.fromkeys(name for each in settings.columns for name in inputs_of_column(each, known))
    )


def inputs_of_column(column: str, present: Container[str]) -> tuple[str, ...]:
    """The columns that have to be there: itself, or those of an expression."""
    if is_name(column) or column in present:
        return (column,)
    return parse_expression(column).columns


def stored_inputs(settings: RankingSettings, present: Sequence[str]) -> list[str]:
    """Those columns of a table that its scores are made of; the others need not be read.

    Args:
        settings: what is asked.
        present: columns of the table, by their names of now.
    Returns:
        names from `present`, in its order; the ends of intervals where these are ranked by.
    Raises:
        ConfigError: an expression cannot be read.
    """
    reads_ends = settings.by in ("bound", "probability")
    needed: set[str] = set()
    for name in inputs_of(settings, present):
        needed |= {name, *(_with_ends(name) if reads_ends else ())}
        for suffix in _UNCERTAINTIES:
            if name.endswith(PER_ATOM + suffix):  # computed where the ends are there
                value = name.removesuffix(PER_ATOM + suffix)
                needed |= {_N_ATOMS, value + suffix, *_with_ends(value)}
        if name in STRUCTURAL_COLUMNS:
            needed.add("smiles")
    return [name for name in present if name in needed]


def _with_ends(name: str) -> tuple[str, str, str]:
    """A column and the ends of its interval."""
    return name, f"{name}_lo90", f"{name}_hi90"


def with_computed(table: pa.Table, wanted: Iterable[str] = ()) -> pa.Table:
    """The table, with values per atom appended where their inputs are there.

    Args:
        table: any rows; `n_atoms` and a column of an extensive quantity, such as `ae0_b3lyp_kcal`
            (kcal/mol), give `ae0_b3lyp_kcal_per_atom`, and its `_std`, `_lo90`, `_hi90` and
            `_delta` where those of the energy are there (per atom, hydrogens included).
        wanted: values per atom to append besides those of columns that a model predicts.
    Returns:
        float64 columns, null where an input is null.
    """
    if _N_ATOMS not in table.column_names:
        return table
    predicted = [
        f"{name}{PER_ATOM}"
        for name in table.column_names
        if f"{name}_lo90" in table.column_names and not name.endswith(PER_ATOM)
    ]
    n_atoms = pc.cast(table[_N_ATOMS], pa.float64())
    for name in dict.fromkeys([*predicted, *wanted]):
        for suffix in _UNCERTAINTIES if name in _per_atom() else ():
            source = name.removesuffix(PER_ATOM) + suffix
            if source in table.column_names and name + suffix not in table.column_names:
                values = pc.divide(pc.cast(table[source], pa.float64()), n_atoms)
                table = table.append_column(name + suffix, values)
    return table


def _per_atom() -> set[str]:
    return {name for name, each in columns().items() if each.per_atom}


def computable_columns() -> set[str]:
    """Columns that levels compute at structures; stages whose settings name none leave them out."""
    each_level = (each for each in levels().values() if each.is_computed)
    return {name for each in each_level for name in each.yields}


def check_columns(settings: RankingSettings, known_columns: Iterable[str]) -> None:
    """Refuse objectives and constraints on columns that no stage and no library has.

    Args:
        settings: what is asked.
        known_columns: every stored column of all stages and of the library; computed columns whose
            inputs are among them count as known, and so do those that levels can compute.
    Raises:
        ConfigError: names the first unknown column and the nearest known ones.
    """
    known = _available(known_columns)
    computable = computable_columns()
    for column in inputs_of(settings, known):
        if column in known or column in computable:
            continue
        names = {name.lower(): name for name in values_of(sorted(known))}
        near = difflib.get_close_matches(column.lower(), names, n=3, cutoff=0.45)
        hint = (
            f"did you mean {', '.join(names[name] for name in near)}?"
            if near
            else f"known are {', '.join(names.values())}"
        )
        raise ConfigError(f"unknown column {column!r} in an objective or constraint; {hint}")


def values_of(names: Iterable[str]) -> list[str]:
    """Those of some columns that are values themselves, no uncertainty and no correction."""
    return [name for name in names if not name.endswith(_UNCERTAINTIES[1:])]


def left_out(settings: RankingSettings, names: Iterable[str]) -> list[str]:
    """Objectives and constraints, as text, that a table with these columns cannot answer.

    Args:
        settings: what is asked.
        names: of the table's columns; what can be computed from them is not left out.
    """
    present = _available(names)
    criteria: list[Objective | Constraint] = [*settings.objectives, *settings.constraints]
    return [
        each.text
        for each in criteria
        if not present.issuperset(inputs_of_column(each.column, present))
    ]


def _available(stored_columns: Iterable[str]) -> set[str]:
    stored = set(stored_columns)
    known = stored | set(names_of_now(stored).values())
    if "smiles" in known:
        known.update(STRUCTURAL_COLUMNS)
    if _N_ATOMS in known:
        known.update(each for each in _per_atom() if each.removesuffix(PER_ATOM) in known)
    return known


def check_numeric(
    settings: RankingSettings, schema: pa.Schema, texts: Mapping[str, str | None]
) -> None:
    """Refuse objectives and constraints on columns without numbers before anything is started.

    Args:
        settings: what is asked.
        schema: of the table; columns that it does not have are no concern of this.
        texts: of the user's columns of text, what keeps them from being read as numbers; None
            where nothing does.
    Raises:
        ConfigError: names the column, and its type or what is in it.
    """
    for column in inputs_of(settings, schema.names):
        if column not in schema.names:
            continue
        kind = schema.field(column).type
        why = texts.get(column, f"it holds {kind}") if is_text(kind) else f"it holds {kind}"
        if not is_numeric(kind) and why is not None:
            raise ConfigError(
                f"column {column!r} is no column of numbers, which an objective or constraint "
                f"needs: {why}; change it in the input (an empty field or NA is a missing number), "
                "or ask for another column"
            )


def is_text(kind: pa.DataType) -> bool:
    """Whether a type is text, from which numbers may be read."""
    return bool(pa.types.is_string(kind))


def is_numeric(kind: pa.DataType) -> bool:
    """Whether values of this type can be compared with a bound."""
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal)
    # a column that is null throughout has no other type
    return any(test(kind) for test in tests) or bool(pa.types.is_null(kind))


def numbers(table: pa.Table, column: str) -> FloatArray:
    """A column as contiguous float64 (n,), NaN where it is null or not finite.

    Raises:
        ConfigError: the column holds no numbers, nor text that all reads as numbers.
    """
    kind = table.schema.field(column).type
    if is_text(kind):
        if (first := first_text(table[column])) is not None:
            raise ConfigError(
                f"column {column!r} holds {first[1]!r}, and an objective or constraint needs "
                "numbers"
            )
        return numbers_of(table[column])
    if not is_numeric(kind):
        raise ConfigError(
            f"column {column!r} holds {kind}, and an objective or constraint needs numbers"
        )
    array = table[column].combine_chunks()
    values = pc.cast(array, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    values = np.array(values, dtype=np.float64)
    values[~np.isfinite(values)] = np.nan
    return values


def with_numbers(table: pa.Table, settings: RankingSettings) -> pa.Table:
    """What of a table can be said in words: numbers, and text.

    Args:
        table: rows with columns of the user's.
        settings: what is asked.
    Returns:
        columns of text and decimals that are asked for are float64; columns of dates, lists and the
        like, which no ranking reads, are left out.
    """
    sayable = [each.name for each in table.schema if is_numeric(each.type) or is_text(each.type)]
    table = table.select(sayable)
    for name in inputs_of(settings, table.column_names):
        if name in table.column_names:
            kind = table.schema.field(name).type
            if is_text(kind) or pa.types.is_decimal(kind):
                values = pa.array(numbers(table, name), pa.float64(), from_pandas=True)
                table = table.set_column(table.column_names.index(name), name, values)
    return table
