"""The records of a block, from wherever its ranges lie.

Plain text is read from the input itself, by ranges of bytes; what was unpacked, copied, or comes
from Parquet is read from the build's temporary files (see `screener.library_build.cut_inputs`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from screener.errors import ConfigError, StoreError
from screener.library.record_blocks import Input, RecordRange, read_block
from screener.library.settings import BuildSettings, Layout
from screener.library.sources import read_range
from screener.library_build.refused import refusing
from screener.library_build.storage_keys import storage_key
from screener.stores.files import Folder


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What a task returns instead of a receipt where its worker cannot read an input."""

    position: int  # of the source among the inputs
    reason: str


class UnreadableError(Exception):
    """An input cannot be read in this process."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(reason)
        self.unreadable = Unreadable(position, reason)


def records_of_block(
    temporary: Folder,
    block: int,
    ranges: Sequence[RecordRange],
    inputs: Mapping[int, Input],
    settings: BuildSettings,
    layout: Layout,
) -> tuple[pa.Table, int]:
    """Read the records of a block, wherever they lie.

    Args:
        temporary: the build's folder for temporary files.
        block: its number.
        ranges: what it is made of.
        inputs: those that the ranges are of, by position.
        settings: name the columns of SMILES and ids, or leave them to be found.
        layout: how unpacked inputs are cut.
    Returns:
        The records (see `screener.library.record_schema`), and how many blank lines lie among them.
    Raises:
        UnreadableError: an input cannot be read in this process.
        StoreError: a file of the build is lost or cut.
        RefusedError: the caller's columns collide.
    """

    def read_bytes(each: RecordRange, start: int, stop: int) -> bytes:
        if each.file:
            return temporary.read_bytes(each.file, start - each.start, stop - each.start)
        if inputs[each.source].is_copied:
            return _read_segment(temporary, each.source, layout.segment_bytes, start, stop)
        try:
            return read_range(inputs[each.source].source, start, stop)
        except ConfigError as error:
            raise UnreadableError(each.source, str(error)) from error

    with refusing():
        return read_block(block, ranges, inputs, settings, read_bytes, temporary.read_table)


def _read_segment(
    temporary: Folder, position: int, segment_bytes: int, start: int, stop: int
) -> bytes:
    """Bytes of an unpacked input, up to the end of the segment in which they begin."""
    number = start // segment_bytes
    before = number * segment_bytes
    path = storage_key("segments", position, number)
    data = temporary.read_bytes(path, start - before, min(stop - before, segment_bytes))
    if not data:
        raise StoreError(f"{temporary.url}/{path} is cut")
    return data
