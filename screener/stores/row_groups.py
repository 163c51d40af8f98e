"""Some row groups and columns of a Parquet file, by reading their byte ranges and no others.

The ranges are read here and Arrow gets them in memory, because Arrow's own reading ahead happens in
threads that hold the Python file: one of them that lets go of it while the interpreter ends takes
the process down ("terminate called without an active exception").
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from screener.stores.files import Folder

IntArray = NDArray[np.int64]

_TAIL = 64 << 10  # bytes; holds the footer of most files
_GAP = 1 << 20  # bytes; reading them costs less than another request
_MAGIC = 4  # bytes; marks both ends of a file


@dataclass(frozen=True)
class RowGroups:
    """A Parquet file whose footer has been read; made by `open_row_groups`."""

    folder: Folder
    path: str
    n_bytes: int
    metadata: pq.FileMetaData

    @property
    def sizes(self) -> IntArray:
        """int64 (n_row_groups,), rows in each."""
        groups = range(self.metadata.num_row_groups)
        return np.array([self.metadata.row_group(k).num_rows for k in groups], dtype=np.int64)

    def read(self, groups: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """The named columns of these row groups, in this thread alone.

        Raises:
            StoreError: the file cannot be read.
            ArrowInvalid, OSError: its content is broken.
        """
        content = bytearray(self.n_bytes)  # memory that stays empty is never really taken
        for start, stop in _merged(self._spans(groups, columns), _GAP):
            content[start:stop] = self.folder.read_bytes(self.path, start, stop)
        source = pa.BufferReader(pa.py_buffer(content))
        with pq.ParquetFile(
            source, metadata=self.metadata, pre_buffer=False, page_checksum_verification=True
        ) as file:
            return file.read_row_groups(list(groups), columns=list(columns), use_threads=False)

    def rows(self, rows: IntArray, columns: Sequence[str]) -> pa.Table:
        """Some rows, by reading the row groups that hold them.

        Args:
            rows: int64 (n,), n > 0, ascending, counted from the first of the file.
            columns: their names.
        Returns:
            (n,) rows, the columns in the order asked for.
        Raises:
            StoreError: the file cannot be read.
            ArrowInvalid, OSError: its content is broken.
        """
        sizes = self.sizes
        ends = np.cumsum(sizes)
        group_of_row = np.searchsorted(ends, rows, side="right")
        groups = np.unique(group_of_row)
        table = self.read(groups.tolist(), columns)
        # where each row lies once the groups that were not read are left out
        starts = np.concatenate([[0], np.cumsum(sizes[groups])])
        group = np.searchsorted(groups, group_of_row)
        places = rows - (ends - sizes)[groups[group]] + starts[group]
        if len(places) == places[-1] - places[0] + 1:
            return table.slice(int(places[0]), len(places)).select(columns)
        return table.take(pa.array(places)).select(columns)

    def rows_with(self, wanted: Mapping[str, Sequence[str]]) -> IntArray:
        """The rows in which a column of text has one of the values that are looked for in it.

        Row groups are passed over where the smallest and largest value of each column, which the
        footer tells, exclude all that is looked for.

        Args:
            wanted: values by column.
        Returns:
            int64 (n,), ascending, counted from the first row of the file.
        Raises:
            StoreError: the file cannot be read.
            ArrowInvalid, OSError: its content is broken.
        """
        sizes = self.sizes
        groups = [k for k in range(len(sizes)) if self._may_hold(k, wanted)]
        if not groups or not wanted:
            return np.empty(0, dtype=np.int64)
        table = self.read(groups, list(wanted))
        hits = np.zeros(table.num_rows, dtype=bool)
        for column, values in wanted.items():
            is_hit = pc.is_in(table[column], pa.array(values, pa.string()))
            hits |= is_hit.to_numpy(zero_copy_only=False).astype(bool)
        ends = np.cumsum(sizes)
        numbers = [np.arange(ends[k] - sizes[k], ends[k], dtype=np.int64) for k in groups]
        return np.concatenate(numbers)[hits]

    def _may_hold(self, group: int, wanted: Mapping[str, Sequence[str]]) -> bool:
        part = self.metadata.row_group(group)
        for index in range(part.num_columns):
            chunk = part.column(index)
            if chunk.path_in_schema not in wanted:
                continue
            limits = chunk.statistics
            if limits is None or not limits.has_min_max:
                return True
            if any(limits.min <= each <= limits.max for each in wanted[chunk.path_in_schema]):
                return True
        return False

    def _spans(self, groups: Sequence[int], columns: Sequence[str]) -> Iterable[tuple[int, int]]:
        for group in groups:
            part = self.metadata.row_group(group)
            for index in range(part.num_columns):
                chunk = part.column(index)
                name = chunk.path_in_schema  # of a list `name.list.element`
                if any(name == each or name.startswith(f"{each}.") for each in columns):
                    start = chunk.data_page_offset
                    if chunk.dictionary_page_offset is not None:
                        start = min(start, chunk.dictionary_page_offset)
                    yield start, start + chunk.total_compressed_size


def open_row_groups(folder: Folder, path: str) -> RowGroups:
    """Read the footer of a Parquet file.

    Raises:
        StoreError: the file is missing or cannot be read.
        ArrowInvalid, OSError: it is not Parquet.
    """
    n_bytes = folder.size(path)
    tail = folder.read_bytes(path, max(0, n_bytes - _TAIL), n_bytes)
    length = int.from_bytes(tail[-2 * _MAGIC : -_MAGIC], "little") + 2 * _MAGIC
    if len(tail) < length <= n_bytes:
        tail = folder.read_bytes(path, n_bytes - length, n_bytes)
    metadata = pq.read_metadata(pa.BufferReader(tail))
    return RowGroups(folder, path, n_bytes, metadata)


def _merged(spans: Iterable[tuple[int, int]], gap: int) -> list[tuple[int, int]]:
    """Spans in ascending order, joined where no more than `gap` bytes lie between them."""
    merged: list[tuple[int, int]] = []
    for start, stop in sorted(spans):
        if merged and start - merged[-1][1] <= gap:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged
