"""Writes candidates to a file that `screener library build` reads: SMILES, CSV or Parquet.

The file is written under a temporary name and renamed at the end, so a file under its final name is
always complete. The same molecules in the same order give the same bytes. In CSV, a cell that a
spreadsheet would run as a formula is marked as text (`screener.stores.cells`).
"""

import csv
import gzip
import io
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Protocol, cast

import pyarrow as pa
import pyarrow.parquet as pq

from screener.errors import ConfigError, StoreError
from screener.stores.cells import to_cell, to_cells
from screener.stores.remote import failures, filesystem_of, reason

_ROW_GROUP = 65_536
_LEVEL = 6  # of gzip: 2 microseconds per molecule
ENDINGS = (".smi", ".smi.gz", ".csv", ".csv.gz", ".parquet")


class Writer(Protocol):
    """An open output file that accepts tables of one schema."""

    def write(self, table: pa.Table) -> None:
        """Append rows."""


def require_new(out: str) -> None:
    """Check, before a long run, that the file can be written.

    Raises:
        ConfigError: the ending names no format, the file exists already, or its folder does not.
    """
    if not out.endswith(ENDINGS):
        raise ConfigError(f"--out {out}: the name has to end in {', '.join(ENDINGS)}")
    filesystem, path = filesystem_of(out)
    try:
        already_exists = filesystem.exists(path)
    except failures() as error:
        raise ConfigError(f"cannot look for {out}: {reason(error)}") from error
    if already_exists:
        raise ConfigError(f"{out} is there already; remove it or give another name with --out")
    if "://" not in out and not os.access(Path(out).absolute().parent, os.W_OK | os.X_OK):
        raise ConfigError(f"cannot write {out}: {Path(out).absolute().parent} is no such folder")


@contextmanager
def writing(out: str, schema: pa.Schema) -> Iterator[Writer]:
    """Open a file to write tables to; it appears once the context ends without an error.

    Args:
        out: path or URL, whose ending decides the format.
        schema: schema of the tables: string columns, the SMILES first.
    Yields:
        a writer of tables.
    Raises:
        StoreError: the file cannot be written.
    """
    filesystem, path = filesystem_of(out)
    is_local = "://" not in out
    folder = str(Path(out).absolute().parent) if is_local else tempfile.gettempdir()
    try:
        handle, temporary = tempfile.mkstemp(".partial", dir=folder)
        try:
            with os.fdopen(handle, "wb") as file, _writer(out, file, schema) as writer:
                yield writer
            if is_local:
                _set_usual_mode(temporary)
                os.replace(temporary, path)
            else:
                filesystem.put_file(temporary, path)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
    except failures() as error:
        raise StoreError(f"cannot write {out}: {reason(error)}") from error


def _set_usual_mode(path: str) -> None:
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(path, 0o666 & ~mask)  # mkstemp lets nobody else read


@contextmanager
def _writer(out: str, file: IO[bytes], schema: pa.Schema) -> Iterator[Writer]:
    if out.endswith(".parquet"):
        with pq.ParquetWriter(file, schema, compression="zstd") as parquet:
            rows = _ParquetRows(parquet)
            yield rows
            rows.flush()
        return
    packed: IO[bytes] = file
    if out.endswith(".gz"):
        packed = cast(IO[bytes], gzip.GzipFile("", "wb", _LEVEL, file, mtime=0))  # no date in it
    text = io.TextIOWrapper(packed, encoding="utf-8", newline="")
    is_csv = out.endswith((".csv", ".csv.gz"))
    if is_csv:
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow(map(to_cell, schema.names))
    else:
        lines = csv.writer(text, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE)
    yield _TextRows(lines, is_csv)
    text.flush()
    if packed is not file:
        packed.close()  # writes what ends a gzip file; closes no other


class _TextRows:
    def __init__(self, lines: "_Lines", is_csv: bool) -> None:
        self._lines = lines
        self._is_csv = is_csv

    def write(self, table: pa.Table) -> None:
        if self._is_csv:
            table = to_cells(table)
        columns = [column.to_pylist() for column in table.columns]
        self._lines.writerows(zip(*columns, strict=True))


class _Lines(Protocol):
    """What `csv.writer` makes."""

    def writerows(self, rows: Iterable[Iterable[str]], /) -> None: ...


class _ParquetRows:
    """Collects rows until a row group is full."""

    def __init__(self, file: pq.ParquetWriter) -> None:
        self._file = file
        self._waiting: list[pa.Table] = []

    def write(self, table: pa.Table) -> None:
        self._waiting.append(table)
        if sum(map(len, self._waiting)) >= _ROW_GROUP:
            self.flush()

    def flush(self) -> None:
        if self._waiting:
            self._file.write_table(pa.concat_tables(self._waiting).combine_chunks())
        self._waiting = []
