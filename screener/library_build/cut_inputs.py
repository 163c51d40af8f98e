"""The first pass: inputs are looked through for places at which they can be cut.

Each task takes a span: a part of a text input that lies there plain, a whole input that is
compressed, in UTF-16 or a table, or a run of a Parquet input's row groups. Plain text stays where
it is, and its records are read from it later, by ranges of bytes. What cannot be read by ranges is
copied once: unpacked text in segments of equal size, row groups in tables of a block each.
"""

import io
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal

from screener.errors import ConfigError
from screener.library.cutting import Cutter, Mark
from screener.library.line_ends import LOOKED_AT, OneLineEnd
from screener.library.parquet_input import pieces_of_row_groups, row_group_sizes
from screener.library.readers import InputHead, TableColumns, TableHead, read_head
from screener.library.record_blocks import RecordRange
from screener.library.settings import BuildSettings, Layout
from screener.library.sources import (
    RangeReader,
    Source,
    is_plain,
    opened,
    read_range,
    size_of,
)
from screener.library_build.read_blocks import Unreadable
from screener.library_build.receipts import earlier_receipt, receipts_of
from screener.library_build.refused import refusing
from screener.library_build.storage_keys import storage_key, task_name
from screener.records import Receipt
from screener.stores.files import Folder
from screener.stores.library import InputFile

_CHUNK = 1 << 20
BY_LINES = ("smiles", "sdf")  # formats in which a cut can be found from any byte on


@dataclass(frozen=True, slots=True)
class Span:
    """What one task looks through."""

    number: int
    position: int  # of the source among the inputs
    source: Source
    n_bytes: int  # of the whole file, when the build began
    way: Literal["ranges", "copy", "parquet"]
    start: int = 0  # bytes of plain text, or row groups
    stop: int = 0
    rows_before: int = 0  # of Parquet


def plan_spans(
    sources: Sequence[Source], files: Sequence[InputFile], layout: Layout
) -> Iterator[Span]:
    """The spans of all inputs, in order.

    Args:
        sources: the inputs.
        files: the size of each when the build began.
        layout: how large spans are.
    Yields:
        Spans with numbers from 0.
    Raises:
        ConfigError: an input cannot be read.
    """
    number = 0
    for position, (source, file) in enumerate(zip(sources, files, strict=True)):
        for way, start, stop, rows_before in _parts(source, file.bytes, layout):
            yield Span(number, position, source, file.bytes, way, start, stop, rows_before)
            number += 1


def _parts(
    source: Source, n_bytes: int, layout: Layout
) -> Iterator[tuple[Literal["ranges", "copy", "parquet"], int, int, int]]:
    if source.format == "parquet":
        start, n_rows, rows_before = 0, 0, 0
        sizes = row_group_sizes(source)
        for group, size in enumerate(sizes):
            n_rows += size
            if n_rows >= layout.span_rows or group == len(sizes) - 1:
                yield "parquet", start, group + 1, rows_before
                start, n_rows, rows_before = group + 1, 0, rows_before + n_rows
    elif not is_plain(source):
        yield "copy", 0, 0, 0
    else:
        step = layout.span_bytes if source.format in BY_LINES else n_bytes
        for start in range(0, n_bytes, step):
            yield "ranges", start, min(start + step, n_bytes), 0


def cut_span(
    temporary: Folder, span: Span, settings: BuildSettings, layout: Layout
) -> Receipt | Unreadable:
    """Find where a span can be cut, and copy what cannot be read by ranges.

    Args:
        temporary: the build's folder for temporary files.
        span: what to look through.
        settings: name the columns of tables.
        layout: how large pieces and copies are.
    Returns:
        A receipt whose details say where to cut, or why the input cannot be read in this process.
    Raises:
        RefusedError: the input's content is broken.
    """
    started = time.monotonic()
    if (earlier := earlier_receipt(temporary, "span", span.number)) is not None:
        return earlier
    try:
        n_bytes = size_of(span.source)
    except ConfigError as error:
        return Unreadable(span.position, str(error))
    if n_bytes != span.n_bytes:
        reason = f"{span.source.url} has {n_bytes} bytes, and {span.n_bytes} when the build began"
        return Unreadable(span.position, reason)
    with refusing():
        if span.way == "parquet":
            details = _copy_row_groups(temporary, span, layout)
        else:
            details = _cut_text(temporary, span, settings, layout)
    seconds = time.monotonic() - started
    counts = {"pieces": len(details["rows"])}
    receipt = Receipt(task_name("span", span.number), "span", counts, {}, seconds, details)
    return receipts_of(temporary, "span", span.number).publish(receipt)


def _copy_row_groups(temporary: Folder, span: Span, layout: Layout) -> dict[str, Any]:
    groups = range(span.start, span.stop)
    rows = []
    pieces = pieces_of_row_groups(span.source, groups, layout, grows=span.start == 0)
    for number, table in enumerate(pieces):
        temporary.write_table(_table_key(span, number), table)
        rows.append(table.num_rows)
    return {"rows": rows}


def _table_key(span: Span, number: int) -> str:
    return storage_key("tables", span.number, number, suffix=".parquet")


def _cut_text(
    temporary: Folder, span: Span, settings: BuildSettings, layout: Layout
) -> dict[str, Any]:
    head = InputHead(span.start)
    if span.start == 0:
        head = read_head(span.source, settings.smiles_column, settings.id_column)
    is_sdf = span.source.format == "sdf"
    cutter = Cutter(is_sdf, head.table, layout, head.offset, grows=span.start == 0)
    if span.way == "copy":
        marks = _copied(temporary, span, head, cutter, layout)
    else:
        read = partial(read_range, span.source)
        stop = min(span.stop + LOOKED_AT, span.n_bytes)
        data: io.RawIOBase = RangeReader(read, head.offset, stop)
        if head.table is None:  # a table whose lines end in CR is copied
            data = OneLineEnd(data, n_bytes=span.stop - head.offset)
        with io.BufferedReader(data, _CHUNK) as stream:
            marks = list(cutter.marks(stream))
    return {
        "start": head.offset,
        "line": head.line,
        "table": None if head.table is None else asdict(head.table),
        "offsets": [mark.offset for mark in marks],
        "lines": [mark.line for mark in marks],
        "rows": [mark.rows for mark in marks],
        "end": cutter.end,
        "n_lines": cutter.n_lines,
        "n_rows": cutter.n_rows,
    }


def _copied(
    temporary: Folder, span: Span, head: InputHead, cutter: Cutter, layout: Layout
) -> list[Mark]:
    with opened(span.source) as packed:
        copying = _Copying(packed, temporary, span.position, layout.segment_bytes)
        stream = io.BufferedReader(copying, _CHUNK)
        for start in range(0, head.offset, _CHUNK):
            stream.read(min(_CHUNK, head.offset - start))
        marks = list(cutter.marks(stream))
        copying.finish()
    return marks


class _Copying(io.RawIOBase):
    """A stream whose bytes are written into segments while they are read."""

    def __init__(
        self, stream: "io.BufferedReader[Any]", temporary: Folder, position: int, segment_bytes: int
    ) -> None:
        self._stream = stream
        self._temporary = temporary
        self._position = position
        self._segment_bytes = segment_bytes
        self._waiting = bytearray()
        self._n_segments = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # any buffer
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self._waiting += data
        while len(self._waiting) >= self._segment_bytes:
            self._write(self._segment_bytes)
        return len(data)

    def finish(self) -> None:
        """Write what is left; all of the stream has been read."""
        if self._waiting:
            self._write(len(self._waiting))

    def _write(self, n_bytes: int) -> None:
        path = storage_key("segments", self._position, self._n_segments)
        self._temporary.write_bytes(path, bytes(self._waiting[:n_bytes]))
        del self._waiting[:n_bytes]
        self._n_segments += 1


def ranges_of(spans: Iterable[tuple[Span, dict[str, Any]]]) -> Iterator[RecordRange]:
    """The pieces of all inputs, in order; each ends where a record does.

    Args:
        spans: each with the details of its receipt, in order.
    """
    position, offset, end, line, base, rows = -1, 0, 0, 0, 0, 0
    for span, details in spans:
        if span.position != position and end > offset:
            yield RecordRange(position, "", offset, end, line, max(1, rows))
        if span.way == "parquet":
            position, offset, end = span.position, 0, 0
            first = span.rows_before
            for number, n_rows in enumerate(details["rows"]):
                file = _table_key(span, number)
                yield RecordRange(position, file, first, first + n_rows, first, n_rows)
                first += n_rows
            continue
        if span.position != position:
            position, offset, line, rows = span.position, details["start"], details["line"], 0
            base = line  # lines before the span
        marks = zip(details["offsets"], details["lines"], details["rows"], strict=True)
        for stop, lines, n_rows in marks:
            yield RecordRange(position, "", offset, stop, line, rows + n_rows)
            offset, line, rows = stop, base + lines, 0
        base += details["n_lines"]
        rows += details["n_rows"]
        end = details["end"]
    if end > offset:
        yield RecordRange(position, "", offset, end, line, max(1, rows))


def table_head(details: dict[str, Any]) -> TableHead | None:
    """The head of a table, from the details of its span's receipt."""
    values = details.get("table")
    if values is None:
        return None
    names, columns = tuple(values["names"]), TableColumns(**values["columns"])
    return TableHead(values["separator"], names, columns)
