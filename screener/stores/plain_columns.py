"""Columns of tables that other programs wrote, in the few Arrow types that are used here.

pandas, polars, DuckDB and Spark write one and the same text as five types (`string`,
`large_string`, `string_view`, dictionaries, bytes that are text) and lists as four, and not every
function of Arrow takes all of them. Here each becomes one type that holds the same values. What is
text to people (UUIDs, JSON) becomes text. Of an extension type that is not known the bare storage
would say something else than the column does, so such a column is an error.

What CSV and SDF cannot hold is written as text: lists, structures and maps as JSON, bytes that are
no text as hexadecimal digits, durations as ISO 8601 writes them.
"""

import json
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from screener.errors import ConfigError

_EXTENSION_NAME = b"ARROW:extension:name"
# whose storage says what the column says
_TRANSPARENT = (
    "arrow.json",
    "arrow.fixed_shape_tensor",
    "arrow.variable_shape_tensor",
    "pandas.interval",
)
_UUID, _BOOL = "arrow.uuid", "arrow.bool8"
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def require_plain(schema: pa.Schema, where: str) -> None:
    """See whether every column of a table can be read.

    Args:
        schema: of the table.
        where: it stands, for messages.
    Raises:
        ConfigError: names the first column that cannot, and its type.
    """
    for field in schema:
        name = (field.metadata or {}).get(_EXTENSION_NAME, b"").decode()
        unknown = [name] if name and not _is_known(name) else list(_unknown_in(field.type))
        if unknown:
            raise ConfigError(
                f"{where}: column {field.name!r} holds values of the type {unknown[0]}, which is "
                "not known here; write it as text or as numbers, or leave it out"
            )


def _is_known(extension: str) -> bool:
    return extension in (*_TRANSPARENT, _UUID, _BOOL)


def _unknown_in(kind: pa.DataType) -> Iterator[str]:
    """Names of the extension types within a type that are not known here."""
    if isinstance(kind, pa.BaseExtensionType):
        if not _is_known(kind.extension_name):
            yield kind.extension_name
        yield from _unknown_in(kind.storage_type)
    elif pa.types.is_dictionary(kind):
        yield from _unknown_in(kind.value_type)
    else:
        for index in range(kind.num_fields):
            yield from _unknown_in(kind.field(index).type)


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type that `plain` gives a column of the type `kind`."""
    if isinstance(kind, pa.BaseExtensionType):
        special = {_UUID: pa.string(), _BOOL: pa.bool_()}
        return special.get(kind.extension_name) or plain_type(kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return plain_type(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return pa.binary()
    if pa.types.is_timestamp(kind) and kind.tz is not None and not _is_zone(kind.tz):
        return pa.timestamp(kind.unit, "UTC")
    if pa.types.is_float16(kind):
        return pa.float32()
    if pa.types.is_decimal32(kind) or pa.types.is_decimal64(kind):
        return pa.decimal128(kind.precision, kind.scale)
    if pa.types.is_map(kind):
        return pa.map_(plain_type(kind.key_type), plain_type(kind.item_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, plain_type(field.type)) for field in kind.fields])
    if _is_list(kind):
        return pa.list_(plain_type(kind.value_type))
    return kind


@cache
def _is_zone(name: str) -> bool:
    """Whether Python knows a time zone; the instants in another are told in UTC."""
    try:
        pa.lib.string_to_tzinfo(name)
    except (KeyError, ValueError):  # of `zoneinfo` or pytz, and of Arrow
        return False
    return True


def _is_list(kind: pa.DataType) -> bool:
    tests = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    views = (pa.types.is_list_view, pa.types.is_large_list_view)
    return any(test(kind) for test in (*tests, *views))


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column in a type of `plain_type`, with the same values."""
    kind = column.type
    wanted = plain_type(kind)
    if kind == wanted:
        return column
    return pa.chunked_array([_plain_array(chunk, wanted) for chunk in column.chunks], wanted)


def _plain_array(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    kind = array.type
    if kind == wanted:
        return array
    if pa.types.is_dictionary(kind):
        return _plain_array(array.dictionary_decode(), wanted)
    if pa.types.is_run_end_encoded(kind):
        return _plain_array(pc.run_end_decode(array), wanted)
    if isinstance(kind, pa.BaseExtensionType) and kind.extension_name != _UUID:
        return _plain_array(array.storage, wanted)
    is_simple_list = _is_list(kind) and kind.value_type == wanted.value_type
    if isinstance(kind, pa.BaseExtensionType) or (pa.types.is_nested(kind) and not is_simple_list):
        return pa.array([_plain_value(value) for value in array.to_pylist()], wanted)
    return array.cast(wanted)


def _plain_value(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, list):
        return [_plain_value(each) for each in value]
    if isinstance(value, tuple):  # of a map
        return tuple(_plain_value(each) for each in value)
    if isinstance(value, dict):
        return {name: _plain_value(each) for name, each in value.items()}
    return value


def plain_table(table: pa.Table) -> pa.Table:
    """The table with every column as of `plain`."""
    columns = [plain(column) for column in table.columns]
    return pa.Table.from_arrays(columns, names=table.column_names)


def decoded(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """A column of bytes as text; None where they are not all UTF-8."""
    try:
        return column.cast(pa.string())
    except pa.ArrowInvalid:
        return None


def readable(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column as text, null where it is null.

    Args:
        column: of a type that `plain` gives.
    Returns:
        (n,) strings: numbers in their shortest form (`1`, `2.5`), times by ISO 8601 with a blank
        between date and time.
    """
    kind = column.type
    if pa.types.is_duration(kind):
        counts = column.cast(pa.int64()).to_pylist()
        texts = [None if each is None else _duration(each, kind.unit) for each in counts]
    elif pa.types.is_nested(kind):
        texts = [None if each is None else _json(each, kind) for each in column.to_pylist()]
    elif pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind):
        if pa.types.is_binary(kind) and (text := decoded(column)) is not None:
            return text
        texts = [None if each is None else each.hex() for each in column.to_pylist()]
    else:
        return _cast_to_text(column)
    return pa.chunked_array([pa.array(texts, pa.string())])


def _cast_to_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        return column.cast(pa.string())
    except pa.ArrowInvalid:
        if not pa.types.is_timestamp(column.type):
            raise
        # Arrow has no data of time zones on this machine; the instant is the same
        return column.cast(pa.timestamp(column.type.unit, "UTC")).cast(pa.string())


def _duration(count: int, unit: str) -> str:
    per_second = _PER_SECOND[unit]
    whole, part = divmod(abs(count), per_second)
    fraction = f"{part / per_second:.9f}"[1:].rstrip("0").rstrip(".") if part else ""
    return f"{'-' if count < 0 else ''}PT{whole}{fraction}S"


def _json(value: Any, kind: pa.DataType) -> str:
    return json.dumps(_jsonable(value, kind), ensure_ascii=False)


def _jsonable(value: Any, kind: pa.DataType) -> Any:
    """A value as JSON can hold it; maps whose keys are text become objects."""
    if value is None:
        return None
    if pa.types.is_map(kind):
        pairs = [(_jsonable(k, kind.key_type), _jsonable(v, kind.item_type)) for k, v in value]
        names = [key for key, _ in pairs]
        is_object = pa.types.is_string(kind.key_type) and len(set(names)) == len(names)
        return dict(pairs) if is_object else [list(pair) for pair in pairs]
    if pa.types.is_struct(kind):
        return {field.name: _jsonable(value[field.name], field.type) for field in kind.fields}
    if pa.types.is_list(kind):
        return [_jsonable(each, kind.value_type) for each in value]
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta | Decimal):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    return value
