"""The caller's own columns: their names in the library, and their types.

Text formats say nothing of types. A column becomes int64 or float64 where every value of every
molecule that was standardised is written again exactly as it was, over the whole library, and stays
text otherwise: `007`, `1.10`, `1E05` and ids of 20 digits are text. A ranking reads numbers from
text (`screener.stores.number_texts`), so nothing is lost by that. Empty fields are null. Parquet
keeps its types, in the forms of `screener.stores.plain_columns`. A name that the library uses
itself gets `input_` before it. The library keeps every other name; in results, which are written as
SDF too, a name has to fit the line that names a value there.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from screener.errors import ConfigError
from screener.stores.library import STANDARD_SCHEMA
from screener.stores.number_texts import TextFacts, first_text, text_facts
from screener.stores.plain_columns import decoded, readable

PREFIX = "input_"
_UNNAMED = "unnamed_"  # and the place of a column of a table

# `> <NAME>` is the line of an SD file: what would end the name, or the line
_UNFIT = re.compile(r"[<>\x00-\x1f\x7f\x85\u2028\u2029]+")
_OF_RDKIT = "numArom"  # which RDKit makes itself and leaves out; its others begin with `_`
_NO_TEXT = pa.chunked_array([], pa.string())
_LARGEST_EXACT = 1 << 53  # float64 holds every integer up to it


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


def is_unnamed(name: str) -> bool:
    """Whether `distinct_names` calls a column so that has no name."""
    return name.startswith(_UNNAMED) and name.removeprefix(_UNNAMED).isdecimal()


def library_name(name: str) -> str:
    """The name in the library of a column of the caller's.

    It is another one where the library uses the name itself; and where that other one is a column's
    own name, so that no two columns ever get the same.
    """
    bare = name
    while bare.startswith(PREFIX):
        bare = bare.removeprefix(PREFIX)
    return PREFIX + name if bare in STANDARD_SCHEMA.names else name


def result_name(name: str) -> str:
    """The name of a column in results: the same, or one that fits the data of an SD file."""
    fit = _UNFIT.sub("_", name.strip()).strip() or "unnamed"
    if fit.startswith("_"):  # RDKit's own: `_Name` is the title of the record
        return f"own{fit}"
    return f"own_{fit}" if fit == _OF_RDKIT else fit


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """What the values of a column are, or those of a part of it.

    Args:
        texts: what they are as text; of integers whether a float64 holds them. Of other types
            nothing is said.
        from_text: whether a text format has values of the column.
        is_utf8: False where there are bytes that are no text.
    """

    texts: TextFacts
    from_text: bool = False
    is_utf8: bool = True

    def and_(self, other: "ColumnFacts") -> "ColumnFacts":
        """The facts of both parts together."""
        return ColumnFacts(
            self.texts.and_(other.texts),
            self.from_text or other.from_text,
            self.is_utf8 and other.is_utf8,
        )


def column_facts(
    column: pa.ChunkedArray, from_text: bool
) -> tuple[ColumnFacts, tuple[int, str] | None]:
    """What the values of a column are.

    Args:
        column: (n,) values of a block.
        from_text: whether they come from a text format, where null says that a field is empty.
    Returns:
        the facts, and the place from 0 and the text of the first value that is no number, where it
        is text.
    """
    kind = column.type
    if pa.types.is_binary(kind):
        text = decoded(column)
        if text is None:
            return ColumnFacts(text_facts(_NO_TEXT), is_utf8=False), None
        column = text
    if pa.types.is_string(column.type):
        texts = text_facts(column)
        return ColumnFacts(texts, from_text and not texts.is_empty), first_text(column)
    texts = text_facts(_NO_TEXT)
    if pa.types.is_integer(kind) and column.null_count < len(column):
        limits = pc.min_max(column).as_py()
        is_exact = max(-limits["min"], limits["max"]) <= _LARGEST_EXACT
        texts = TextFacts(is_empty=False, as_int=True, as_float=is_exact)
    return ColumnFacts(texts), None


def column_type(name: str, facts: ColumnFacts, typed: Sequence[pa.DataType]) -> pa.DataType:
    """The type in which a column is stored.

    Args:
        name: of the column, for messages.
        facts: of all its values, see `column_facts`.
        typed: the types it has in Parquet inputs, as of `plain_columns.plain_type`.
    Returns:
        A type that holds the values of all inputs.
    Raises:
        ConfigError: the inputs disagree in a way that no type can hold.
    """
    types = [kind for kind in dict.fromkeys(typed) if not pa.types.is_null(kind)]
    if facts.from_text:
        types.append(_type_of(facts.texts))
    if facts.is_utf8:
        types = [pa.string() if kind == pa.binary() else kind for kind in types]
    types = list(dict.fromkeys(types))
    if not types:
        return pa.null() if typed else pa.string()
    if len(types) == 1:
        return types[0]
    if any(pa.types.is_nested(kind) or is_bytes(kind) for kind in types):
        raise ConfigError(
            f"column {name!r} has the types {', '.join(map(str, types))} in different inputs; "
            "make them equal, or leave the column out"
        )
    if all(pa.types.is_integer(kind) for kind in types):
        # the digits that any integer of 64 bits has
        return pa.decimal128(20, 0) if pa.uint64() in types else pa.int64()
    if all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in types):
        return pa.float64() if facts.texts.as_float else pa.string()
    return pa.string()


def _type_of(texts: TextFacts) -> pa.DataType:
    if texts.as_int:
        return pa.int64()
    return pa.float64() if texts.as_float else pa.string()


def is_bytes(kind: pa.DataType) -> bool:
    """Whether values of a plain type are bytes."""
    return bool(pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind))


def why_no_numbers(
    kind: pa.DataType, first: str | None, typed: Sequence[pa.DataType]
) -> str | None:
    """Why a column of text cannot be read as numbers.

    Args:
        kind: in which the column is stored.
        first: its first value that is no number, and where it stands; None where there is none.
        typed: the types that it has in Parquet inputs.
    Returns:
        what is in it; None where it holds numbers, or is no text.
    """
    if not pa.types.is_string(kind):
        return None
    other = [
        each
        for each in dict.fromkeys(typed)
        if not (
            pa.types.is_integer(each)
            or pa.types.is_floating(each)
            or pa.types.is_decimal(each)
            or pa.types.is_boolean(each)
            or pa.types.is_null(each)
            or each in (pa.string(), pa.binary())
        )
    ]
    return f"values of the type {other[0]}" if other and first is None else first


def as_type(column: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray:
    """The column in the type chosen by `column_type`."""
    if column.type == wanted:
        return column
    return readable(column) if pa.types.is_string(wanted) else column.cast(wanted)


def typed_texts(table: pa.Table) -> pa.Table:
    """A whole table of texts, in which columns are numbers where all of their texts come back.

    Args:
        table: (n,) rows, all columns strings; empty texts are null afterwards.
    """
    for index, name in enumerate(table.column_names):
        texts = pc.if_else(pc.equal(table[index], ""), None, table[index])
        facts = column_facts(texts, from_text=True)[0]
        column = as_type(texts, column_type(name, facts, []))
        table = table.set_column(index, name, column)
    return table
