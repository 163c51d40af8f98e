"""The library on disk: shards of standardised molecules, and what became of everything else.

    manifest.json · manifest.parquet · shards/part-00000000.parquet … · duplicates/ · quarantine/

Rows are numbered from 0 without gaps; every shard but the last has the same number of rows, so a
row's place is arithmetic. `manifest.json` is written last: a folder without it is not a library.
`screener.library_build.build` makes it.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from screener.errors import SchemaError, StoreError
from screener.stores.files import Folder
from screener.stores.paths import RelativePath, fault_of
from screener.stores.quarantine import complete
from screener.stores.row_groups import RowGroups, open_row_groups

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
SHARDS = "manifest.parquet"

# Every library has these columns, in this order; the caller's own follow.
STANDARD_SCHEMA = pa.schema(
    [
        ("row", pa.int64()),  # 0, 1, 2, ... in the order of the input
        ("mol_id", pa.string()),
        ("inchikey", pa.string()),
        ("smiles", pa.string()),  # canonical, isomeric
        ("source_id", pa.string()),  # the caller's id, otherwise `file:line`
        ("smiles_input", pa.string()),  # as it was given
        ("n_heavy", pa.int32()),
        ("n_atoms", pa.int32()),  # with hydrogens
        ("charge", pa.int32()),
        ("n_undefined_stereo", pa.int32()),  # stereo elements that the build had to choose
    ]
)
_BLOCK_ROWS = 65_536  # read at once by whoever goes through a whole library
SHARDS_SCHEMA = pa.schema(
    [("file", pa.string()), ("rows", pa.int64()), ("sha256", pa.string()), ("bytes", pa.int64())]
)
DUPLICATES_SCHEMA = pa.schema(
    [
        ("mol_id", pa.string()),  # of the row that was kept, too
        ("source_id", pa.string()),
        ("source", pa.string()),  # input file of the duplicate
        ("line", pa.int64()),
        ("smiles_input", pa.string()),
        ("kept_source", pa.string()),  # where the occurrence stood that was kept
        ("kept_line", pa.int64()),
    ]
)


class InputFile(BaseModel):
    """One input, by content; `name` is what sources are called in the tables."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    bytes: int
    sha256: str


class LibraryTotals(BaseModel):
    """Where everything went: read + isomers_added = kept + duplicates + quarantined."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    read: int  # records in the inputs, blank lines not counted
    blank: int
    isomers_added: int  # rows beyond the first of a record whose stereoisomers were enumerated
    kept: int
    duplicates: int
    quarantined: int
    quarantined_by_code: dict[str, int]
    undefined_stereo: int  # kept rows in which the build had to choose an isomer
    n_heavy: dict[int, int]  # kept rows by number of heavy atoms
    elements: dict[str, int]  # kept rows that have the element


class LibraryManifest(BaseModel):
    """What a library was made from, how, and what it holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int
    screener_version: str
    rdkit_version: str
    settings: dict[str, Any]
    inputs: list[InputFile]
    totals: LibraryTotals
    columns: list[tuple[str, str]]  # name and Arrow type, in the order of the shards
    # own columns of text that cannot be ranked by, and why; None where older versions did not look
    no_numbers: dict[str, str] | None = None
    shard_rows: int
    duplicates: list[RelativePath]  # files, in order of the input
    quarantine: list[RelativePath]
    digest: str  # of the shards' checksums: names this library in everything made from it


@dataclass(frozen=True)
class LibraryStore:
    """A library that is complete; open it with `LibraryStore.open`."""

    folder: Folder
    manifest: LibraryManifest

    @classmethod
    def open(cls, url: str) -> "LibraryStore":
        """Open a library for reading.

        Args:
            url: local folder or fsspec URL.
        Raises:
            StoreError: there is no library, or its build was not finished.
            SchemaError: it is broken, or of another schema version.
        """
        folder = Folder(url)
        if not folder.exists(MANIFEST):
            begun = folder.exists("tmp")
            raise StoreError(
                f"{url} holds no finished library ({MANIFEST} is missing); "
                + ("run the same `screener library build` again to finish it" if begun else "")
                + ("" if begun else "make one with `screener library build`")
            )
        values = folder.read_json(MANIFEST)
        version = values.get("schema_version") if isinstance(values, dict) else None
        if version != SCHEMA_VERSION:
            raise SchemaError(
                f"{url} is a library of schema version {version}, this program reads "
                f"{SCHEMA_VERSION}; build it again"
            )
        try:
            return cls(folder, LibraryManifest.model_validate(values))
        except ValidationError as error:
            raise SchemaError(f"{url}/{MANIFEST} is broken: {error}") from error

    @property
    def digest(self) -> str:
        """Names this library's content."""
        return self.manifest.digest

    @property
    def n_rows(self) -> int:
        """Molecules that were kept."""
        return self.manifest.totals.kept

    @property
    def columns(self) -> list[str]:
        """All columns, the standard ones first."""
        return [name for name, _ in self.manifest.columns]

    @property
    def standard_columns(self) -> list[str]:
        """The columns that every library has."""
        return list(STANDARD_SCHEMA.names)

    @cached_property
    def shards(self) -> list[str]:
        """Files of the shards, in order of their rows."""
        return list(self.checksums)

    @cached_property
    def checksums(self) -> dict[str, str]:
        """SHA-256 of each shard by its file, in order of their rows.

        Raises:
            StoreError: the list of shards is missing; SchemaError: it is broken, or names files
                that are not in the library.
        """
        where = f"{self.folder.url}/{SHARDS}"
        table = self.folder.read_table(SHARDS)
        if missing := {"file", "rows", "sha256"}.difference(table.column_names):
            raise SchemaError(f"{where} has no column {min(missing)}; build the library again")
        if sum(table["rows"].to_pylist()) != self.n_rows:
            raise SchemaError(f"{where} and {MANIFEST} differ in their rows")
        files = table["file"].to_pylist()
        for path in files:
            if fault := fault_of(path):
                raise SchemaError(
                    f"{where} names {path!r}, which is no path in the library: {fault}; build the "
                    "library again"
                )
        if len(set(files)) != len(files):
            raise SchemaError(f"{where} names a file twice; build the library again")
        return dict(zip(files, table["sha256"].to_pylist(), strict=True))

    def read_range(self, start: int, stop: int, columns: Sequence[str] | None = None) -> pa.Table:
        """Rows `start` to `stop` (exclusive), of the named columns or all.

        Args:
            start: first row.
            stop: one past the last row.
            columns: names; None for all.
        Returns:
            (stop - start) rows, in their order.
        Raises:
            StoreError: rows or columns that the library does not have, or a shard is missing.
        """
        if not 0 <= start <= stop <= self.n_rows:
            raise StoreError(f"rows {start} to {stop} of a library with {self.n_rows} rows")
        return self._read(np.arange(start, stop, dtype=np.int64), columns)

    def blocks(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """All rows in order, block by block; arguments and errors as for `read_range`."""
        for start in range(0, self.n_rows, _BLOCK_ROWS):
            yield self.read_range(start, min(start + _BLOCK_ROWS, self.n_rows), columns)

    def read_rows(self, rows: NDArray[np.int64], columns: Sequence[str] | None = None) -> pa.Table:
        """The given rows in the given order, which may repeat.

        Args:
            rows: int64 (n,).
        Raises:
            StoreError: rows or columns that the library does not have, or a shard is missing.
        """
        if len(rows) and (rows.min() < 0 or rows.max() >= self.n_rows):
            raise StoreError(
                f"rows {rows.min()} to {rows.max()} of a library with {self.n_rows} rows"
            )
        sorted_rows, place = np.unique(rows, return_inverse=True)
        table = self._read(sorted_rows, columns)
        if len(sorted_rows) == len(rows) and np.array_equal(sorted_rows, rows):
            return table
        return table.take(pa.array(place))

    def _read(self, rows: NDArray[np.int64], columns: Sequence[str] | None) -> pa.Table:
        """Rows in ascending order, each once."""
        names = self.columns if columns is None else list(columns)
        unknown = [name for name in names if name not in self.columns]
        if unknown:
            raise StoreError(
                f"the library {self.folder.url} has no column {', '.join(unknown)}; "
                f"it has {', '.join(self.columns)}"
            )
        if not len(rows):
            return self._schema_of(names).empty_table()
        shards = rows // self.manifest.shard_rows
        pieces = []
        for shard in np.unique(shards):
            local = rows[shards == shard] - shard * self.manifest.shard_rows
            pieces.append(self._read_shard(self.shards[int(shard)], local, names))
        return pa.concat_tables(pieces).combine_chunks()

    def _read_shard(self, path: str, rows: NDArray[np.int64], names: list[str]) -> pa.Table:
        """Rows of one shard, counted from its first, ascending; reads only the row groups."""
        with self._reading(path) as file:
            return file.rows(rows, names)

    @contextmanager
    def _reading(self, path: str) -> Iterator[RowGroups]:
        try:
            yield open_row_groups(self.folder, path)
        except (pa.ArrowInvalid, OSError) as error:
            raise StoreError(f"cannot read {self.folder.url}/{path}: {error}") from error

    def rows_with(self, wanted: Mapping[str, Sequence[str]]) -> Iterator[NDArray[np.int64]]:
        """The rows in which a column of text has one of some values, shard by shard.

        Reads these columns alone, and of a shard only the row groups that may hold a value: all of
        them for `mol_id` and `inchikey`, few for ids that come in order.

        Args:
            wanted: values by column.
        Returns:
            int64 (n,) of each shard that has any, ascending.
        Raises:
            StoreError: a shard is missing or broken.
        """
        for number, path in enumerate(self.shards):
            with self._reading(path) as file:
                rows = file.rows_with(wanted)
            if len(rows):
                yield rows + number * self.manifest.shard_rows

    def _schema_of(self, names: list[str]) -> pa.Schema:
        if not self.shards:
            return pa.schema([(name, STANDARD_SCHEMA.field(name).type) for name in names])
        schema = open_row_groups(self.folder, self.shards[0]).metadata.schema.to_arrow_schema()
        return pa.schema([schema.field(name) for name in names])

    def quarantine(self) -> Iterator[pa.Table]:
        """Tables of what was set aside, in order of the input (see `stores.quarantine`)."""
        for path in self.manifest.quarantine:
            yield complete(self.folder.read_table(path))

    def quarantine_with(self, wanted: Mapping[str, Sequence[str]]) -> Iterator[pa.Table]:
        """What was set aside and has one of some values in a column; see `rows_with`.

        Args:
            wanted: values by column.
        Returns:
            a table of each file that has any, in order of the input.
        Raises:
            StoreError: a file is missing or broken.
        """
        yield from map(complete, self._records_with(self.manifest.quarantine, wanted))

    def duplicates_with(self, wanted: Mapping[str, Sequence[str]]) -> Iterator[pa.Table]:
        """What was there already and has one of some values in a column; as `quarantine_with`."""
        yield from self._records_with(self.manifest.duplicates, wanted)

    def _records_with(
        self, paths: Sequence[str], wanted: Mapping[str, Sequence[str]]
    ) -> Iterator[pa.Table]:
        for path in paths:
            with self._reading(path) as file:
                names = file.metadata.schema.to_arrow_schema().names
                # an earlier version did not write every column
                rows = file.rows_with({name: wanted[name] for name in wanted if name in names})
                table = file.rows(rows, names) if len(rows) else None
            if table is not None:
                yield table

    def duplicates(self) -> Iterator[pa.Table]:
        """Tables of what was there already, in order of the input, with where it was first."""
        for path in self.manifest.duplicates:
            yield self.folder.read_table(path)


@lru_cache(maxsize=4)
def open_library(url: str, digest: str) -> LibraryStore:
    """The library, opened once per process.

    Raises:
        StoreError: it is not the one that the campaign was started with.
    """
    library = LibraryStore.open(url)
    if library.digest != digest:
        raise StoreError(f"the library {url} has changed since the campaign was started")
    return library
