"""The caller's own columns: their names in the library, and their types.

Text formats say nothing of types, so a column becomes int64 or float64 when every value of every
molecule that was standardised is such a number, over the whole library, and stays text otherwise:
`007` and CAS numbers are text. Empty fields are null. Parquet keeps its types. A name that the
library uses itself gets `input_` before it. The library keeps every other name; in results, which
are written as SDF too, a name has to fit the line that names a value there.
"""

import re
from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from screener.errors import ConfigError
from screener.stores.library import STANDARD_SCHEMA

PREFIX = "input_"
_UNNAMED = "unnamed_"

# `> <NAME>` is the line of an SD file: what would end the name, or the line
_UNFIT = re.compile(r"[<>\x00-\x1f\x7f\x85\u2028\u2029]+")
_OF_RDKIT = "numArom"  # which RDKit makes itself and leaves out; its others begin with `_`

_INTEGER = re.compile(r"[+-]?(0|[1-9]\d{0,17})")
_NUMBER = re.compile(r"[+-]?((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][+-]?\d+)?|nan", re.IGNORECASE)
# ordered: of two kinds in one column the later holds both
_KINDS = ("null", "int64", "float64", "string")


def distinct_names(names: Sequence[str], where: str) -> list[str]:
    """The names of a table's columns; one without a name is called by its place.

    Args:
        names: as they stand in the table, such as `["", "smiles", "price"]` where a data frame has
            written its index.
        where: the table stands, for messages.
    Returns:
        the names, and `unnamed_1` for a first column that has none.
    Raises:
        ConfigError: two columns have the same name.
    """
    given = [name if name.strip() else f"{_UNNAMED}{place}" for place, name in enumerate(names, 1)]
    for name in given:
        if (n := given.count(name)) > 1:
            places = [str(place) for place, each in enumerate(given, start=1) if each == name]
            raise ConfigError(
                f"{where}: {n} columns ({', '.join(places)}) are called {name!r}; give each "
                "column a name of its own"
            )
    return given


def library_names(own: Sequence[str]) -> dict[str, str]:
    """Names in the library of the caller's columns.

    Raises:
        ConfigError: two columns would get the same name.
    """
    names = {name: PREFIX + name if name in STANDARD_SCHEMA.names else name for name in own}
    for name, stored in names.items():
        if stored != name and stored in names:
            raise ConfigError(
                f"the library has a column {name!r} of its own, and {stored!r} is taken as well; "
                "rename one of these columns in the input"
            )
    return names


def result_name(name: str) -> str:
    """The name of a column in results: the same, or one that fits the data of an SD file."""
    fit = _UNFIT.sub("_", name.strip()).strip() or "unnamed"
    if fit.startswith("_"):  # RDKit's own: `_Name` is the title of the record
        return f"own{fit}"
    return f"own_{fit}" if fit == _OF_RDKIT else fit


def text_kind(values: Iterable[str | None]) -> str:
    """The narrowest of `null`, `int64`, `float64` and `string` that holds all values."""
    kind = 0
    for value in values:
        text = value.strip() if value else ""
        if not text or (kind <= 1 and _INTEGER.fullmatch(text)):
            kind = max(kind, 1 if text else 0)
        elif kind <= 2 and _NUMBER.fullmatch(text):
            kind = 2
        else:
            return "string"
    return _KINDS[kind]


def wider_kind(first: str, second: str) -> str:
    """The kind that holds values of both."""
    return max(first, second, key=_KINDS.index)


def column_type(name: str, text: str | None, typed: Sequence[pa.DataType]) -> pa.DataType:
    """The type in which a column is stored.

    Args:
        name: of the column, for messages.
        text: kind over all text inputs (see `text_kind`); None where none has the column.
        typed: the types it has in Parquet inputs.
    Returns:
        A type that holds the values of all inputs.
    Raises:
        ConfigError: the inputs disagree in a way that no type can hold.
    """
    types = list(dict.fromkeys(typed))
    if text not in (None, "null") or not types:
        inferred = pa.type_for_alias(text if text not in (None, "null") else "string")
        types = list(dict.fromkeys([*types, inferred]))
    if len(types) == 1:
        return types[0]
    if any(pa.types.is_nested(kind) for kind in types):
        raise ConfigError(
            f"column {name!r} has the types {', '.join(map(str, types))} in different inputs; "
            "make them equal, or leave the column out"
        )
    if all(pa.types.is_integer(kind) for kind in types):
        return pa.int64()
    if all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in types):
        return pa.float64()
    return pa.string()


def as_type(column: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray:
    """The column in the type chosen by `column_type`; empty text becomes null."""
    if pa.types.is_string(column.type):
        trimmed = pc.utf8_trim_whitespace(column)
        empty = pc.equal(trimmed, "")
        column = pc.if_else(empty, pa.scalar(None, pa.string()), column)
        if pa.types.is_integer(wanted) or pa.types.is_floating(wanted):
            # a plus sign is a number to people and not to Arrow
            column = pc.replace_substring_regex(pc.utf8_trim_whitespace(column), r"^\+", "")
    return column if column.type == wanted else column.cast(wanted)
