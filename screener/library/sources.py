"""Input files: which there are, what format they have, and how to read their bytes.

Paths, globs and fsspec URLs become a list of sources in a fixed order.
`screener.library.readers` makes records of them.
"""

import gzip
import hashlib
import io
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Literal

import zstandard
from fsspec import AbstractFileSystem

from screener.errors import ConfigError
from screener.library.chunk_stream import ChunkStream
from screener.library.line_ends import HEAD, OneLineEnd, ends_in_returns
from screener.library.text_bytes import N_FIRST, as_utf8, unpacked, wide_encoding
from screener.stores.library import InputFile
from screener.stores.remote import failures, filesystem_of, reason
from screener.stores.remote import opened as opened_file

Format = Literal["smiles", "csv", "tsv", "sdf", "parquet"]
FORMATS: dict[str, Format] = {
    ".smi": "smiles",
    ".smiles": "smiles",
    ".ism": "smiles",
    ".txt": "smiles",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".sdf": "sdf",
    ".sd": "sdf",
    ".parquet": "parquet",
    ".pq": "parquet",
}
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd"}
_CHUNK = 1 << 20
_RANGE = 4 << 20  # bytes asked for at once


@dataclass(frozen=True, slots=True)
class Source:
    """One input file."""

    url: str
    name: str  # what it is called in the library: the file name, or the URL where names repeat
    format: Format
    compression: str | None


def find_sources(inputs: Sequence[str]) -> list[Source]:
    """The input files, in the order given; those of a glob in the order of their names.

    Args:
        inputs: paths, globs or fsspec URLs.
    Raises:
        ConfigError: nothing is there, or a format is unknown.
    """
    urls = [url for entry in inputs for url in _expanded(entry)]
    if not urls:
        raise ConfigError("no input files are given")
    repeated = [url for url, count in Counter(urls).items() if count > 1]
    if repeated:
        raise ConfigError(f"{repeated[0]} is given more than once")
    names = Counter(_file_name(url) for url in urls)
    return [_source(url, names[_file_name(url)] > 1) for url in urls]


def _expanded(entry: str) -> list[str]:
    filesystem, path = filesystem_of(entry)
    try:
        if filesystem.isdir(path):
            raise ConfigError(f"{entry} is a folder; name files, or quote a glob such as '*.smi'")
        if filesystem.exists(path) or not any(mark in entry for mark in "*?["):
            return [entry]
        files = sorted(str(name) for name in filesystem.glob(path) if filesystem.isfile(name))
    except failures(ValueError) as error:
        raise ConfigError(f"cannot look for {entry}: {reason(error)}") from error
    if not files:
        raise ConfigError(f"no file matches {entry}")
    if "://" not in entry:
        return [os.path.relpath(name) if not os.path.isabs(entry) else name for name in files]
    return [str(filesystem.unstrip_protocol(name)) for name in files]


def _file_name(url: str) -> str:
    return url.rstrip("/").rsplit("/", 1)[-1]


def _source(url: str, name_repeats: bool) -> Source:
    stem, extension = os.path.splitext(_file_name(url).lower())
    compression = COMPRESSIONS.get(extension)
    if compression is not None:
        extension = os.path.splitext(stem)[1]
    if extension not in FORMATS:
        raise ConfigError(
            f"{url}: unknown format {extension or '(no extension)'!r}; the file name has to end in "
            f"{', '.join(FORMATS)}, and {' or '.join(COMPRESSIONS)} after it where it is compressed"
        )
    if FORMATS[extension] == "parquet" and compression is not None:
        raise _packed_parquet(url)
    return Source(
        url=url,
        name=url if name_repeats else _file_name(url),
        format=FORMATS[extension],
        compression=compression,
    )


def _packed_parquet(url: str) -> ConfigError:
    return ConfigError(f"{url}: Parquet compresses itself; unpack the file first")


def table_source(url: str) -> Source:
    """A single table, by the ending of its name; without one that is known, by its first bytes.

    Args:
        url: path or URL of CSV, TSV or Parquet, text also compressed.
    Raises:
        ConfigError: the name is that of no table, or the file cannot be read.
    """
    name = _file_name(url)
    stem, extension = os.path.splitext(name.lower())
    compression = COMPRESSIONS.get(extension)
    if compression is not None:
        extension = os.path.splitext(stem)[1]
    kind = FORMATS.get(extension, "csv")
    if kind == "sdf" or (kind == "smiles" and extension != ".txt"):
        raise ConfigError(f"{url} is no table with named columns; give CSV, TSV or Parquet")
    if kind == "parquet" and compression is not None:
        raise _packed_parquet(url)
    source = Source(url, name, kind if kind != "smiles" else "csv", compression)
    if extension in FORMATS or compression is not None:
        return source
    with _raw(source) as file:
        return replace(source, format="parquet") if file.read(4) == b"PAR1" else source


def fingerprint(source: Source) -> InputFile:
    """The source by its content, all of which is read.

    Raises:
        ConfigError: it cannot be read.
    """
    checksum = hashlib.sha256()
    size = 0
    with _raw(source) as file:
        while chunk := file.read(_CHUNK):
            checksum.update(chunk)
            size += len(chunk)
    return InputFile(name=source.name, bytes=size, sha256=checksum.hexdigest())


@contextmanager
def _raw(source: Source) -> Iterator[BinaryIO]:
    with _readable(source) as (filesystem, path), opened_file(filesystem, path, source.url) as file:
        yield file


@contextmanager
def _readable(source: Source) -> Iterator[tuple[AbstractFileSystem, str]]:
    """The source's filesystem and its path there; what goes wrong is told as a ConfigError."""
    filesystem, path = filesystem_of(source.url)
    try:
        yield filesystem, path
    except (EOFError, gzip.BadGzipFile, zstandard.ZstdError) as error:
        raise ConfigError(
            f"{source.url}: the compressed data are broken or end too early ({error}); "
            "copy or download the file again"
        ) from error
    except FileNotFoundError as error:
        raise ConfigError(f"there is no file {source.url}") from error
    except failures() as error:
        raise ConfigError(f"cannot read {source.url}: {reason(error)}") from error


def content(source: Source) -> bytes:
    """All bytes of the file as it lies there. Raises ConfigError: it cannot be read."""
    with _readable(source) as (filesystem, path):
        return bytes(filesystem.cat_file(path))


def require_content(source: Source) -> None:
    """Raises ConfigError: the file is missing, cannot be read, or is empty."""
    with _raw(source) as file:
        if not file.read(1):
            raise ConfigError(f"{source.url} is empty")


@contextmanager
def opened(source: Source) -> Iterator["io.BufferedReader[Any]"]:
    """The source's bytes: unpacked as they are read, in UTF-8, with one kind of line end.

    UTF-16 and UTF-32 are told from their byte order mark, which is left out, and UTF-16 without one
    from its zeros. How lines end is told in `screener.library.line_ends`.

    Raises:
        ConfigError: the file cannot be read, or its compressed data are broken or end too early.
    """
    with (
        _raw(source) as raw,
        unpacked(raw, source.compression) as packed,
        as_utf8(source.url, packed) as text,
        io.BufferedReader(OneLineEnd(text, is_table(source)), _CHUNK) as lines,
    ):
        yield lines


def is_table(source: Source) -> bool:
    """Whether it is text in columns with a header."""
    return source.format in ("csv", "tsv")


def is_plain(source: Source) -> bool:
    """Whether a text source's bytes lie in the file as `opened` gives them.

    Line ends of SMILES and SDF do not count, as `OneLineEnd` makes the same of every part of them.

    Raises:
        ConfigError: the file cannot be read.
    """
    if source.compression is not None:
        return False
    with _raw(source) as file:
        head = file.read(HEAD if is_table(source) else N_FIRST)
    if wide_encoding(head[:N_FIRST]) is not None:
        return False
    return not (is_table(source) and ends_in_returns(head))


def size_of(source: Source) -> int:
    """Bytes of the file as it lies there. Raises ConfigError: it cannot be read."""
    with _readable(source) as (filesystem, path):
        return int(filesystem.size(path))


def read_range(source: Source, start: int, stop: int) -> bytes:
    """Some bytes of the file as it lies there.

    Args:
        source: one that is plain (see `is_plain`).
        start, stop: the first byte, and the one after the last.
    Returns:
        All of them.
    Raises:
        ConfigError: the file cannot be read, or ends before `stop`.
    """
    with _readable(source) as (filesystem, path):
        data = bytes(filesystem.cat_file(path, start=start, end=stop))
    if len(data) != stop - start:
        raise ConfigError(f"{source.url} is shorter than it was when the build began")
    return data


class RangeReader(ChunkStream):
    """Some bytes of a file as a stream that reads a little at a time.

    Args:
        read: gives the bytes from its first to its second argument, or fewer but not none.
        start, stop: the first byte, and the one after the last.
    """

    def __init__(self, read: Callable[[int, int], bytes], start: int, stop: int) -> None:
        super().__init__()
        self._read = read
        self._at = start
        self._stop = stop

    def next_chunk(self) -> bytes:
        """Up to `_RANGE` bytes more."""
        if self._at >= self._stop:
            return b""
        chunk = self._read(self._at, min(self._stop, self._at + _RANGE))
        self._at += len(chunk)
        return chunk
