"""Bytes of a file as text in UTF-8: unpacked as they are read, and told from what is no text."""

import codecs
import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

import zstandard

from screener.errors import ConfigError
from screener.library.chunk_stream import ChunkStream

N_FIRST = 64  # bytes that show an encoding
# how files begin that are no text, and what to do with them
_NO_TEXT = {
    b"\x1f\x8b": "packed with gzip; let its name end in .gz",
    b"\x28\xb5\x2f\xfd": "packed with Zstandard; let its name end in .zst",
    b"BZh9": "packed with bzip2; unpack it",
    b"\xfd7zXZ": "packed with xz; unpack it",
    b"PAR1\x15": "Parquet; let its name end in .parquet",
    b"PK\x03\x04": "a workbook or a zip archive; save the table as CSV, or unpack the archive",
    b"\xd0\xcf\x11\xe0": "a workbook; save the table as CSV",
}
_MAX_WINDOW = 1 << 31  # of Zstandard: what `zstd --long=31` asks for
_CHUNK = 1 << 20


@contextmanager
def unpacked(raw: BinaryIO, compression: str | None) -> Iterator["io.BufferedReader[Any]"]:
    """The bytes of a file that may be compressed.

    Args:
        raw: the file.
        compression: `gzip`, `zstd` or None.
    Raises:
        EOFError, gzip.BadGzipFile, zstandard.ZstdError: while it is read, if it is broken.
    """
    if compression == "gzip":
        with gzip.open(raw, "rb") as members, io.BufferedReader(members, _CHUNK) as buffered:
            yield buffered
    elif compression == "zstd":
        with io.BufferedReader(_ZstdReader(raw), _CHUNK) as buffered:
            yield buffered
    else:
        with io.BufferedReader(cast(io.RawIOBase, raw)) as buffered:
            yield buffered


@contextmanager
def as_utf8(url: str, stream: "io.BufferedReader[Any]") -> Iterator["io.BufferedReader[Any]"]:
    """Text in UTF-16 or UTF-32 as UTF-8, and other text as it is.

    Args:
        url: for messages.
        stream: begins at the file's first byte.
    Raises:
        ConfigError: it is no text.
    """
    first = stream.peek(N_FIRST)[:N_FIRST]
    for start, advice in _NO_TEXT.items():
        if first.startswith(start):
            raise ConfigError(f"{url} is no text, but {advice}")
    encoding = wide_encoding(first)
    if encoding is None:
        yield stream
        return
    text = io.TextIOWrapper(stream, encoding=encoding, errors="replace", newline="\n")
    with io.BufferedReader(_AsUtf8(text), _CHUNK) as recoded:
        yield recoded


def wide_encoding(first: bytes) -> str | None:
    """The encoding of text whose characters take two or four bytes; None for other text.

    Args:
        first: the first `N_FIRST` bytes, or all of them.
    """
    if first.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    even, odd = first[0::2], first[1::2]
    if len(first) >= 4 and not any(odd) and all(even):
        return "utf-16-le"
    return "utf-16-be" if len(first) >= 4 and not any(even) and all(odd) else None


class _AsUtf8(ChunkStream):
    """Text of another encoding, as UTF-8."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        super().__init__()
        self._text = text

    def next_chunk(self) -> bytes:
        return self._text.read(_CHUNK // 4).encode()


class _ZstdReader(ChunkStream):
    """Zstandard frames one after another; unlike `stream_reader` it notices a missing end."""

    def __init__(self, raw: BinaryIO) -> None:
        super().__init__()
        self._raw = raw
        self._begin_frame()

    def _begin_frame(self) -> None:
        self._frame = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW).decompressobj()
        self._frame_begun = False

    def next_chunk(self) -> bytes:
        chunk = b""
        while not chunk:
            packed = self._frame.unused_data if self._frame.eof else b""
            if self._frame.eof:
                self._begin_frame()
            packed = packed or self._raw.read(_CHUNK // 8)
            if not packed:
                if self._frame_begun:
                    raise EOFError("the last frame is cut")
                break
            self._frame_begun = True
            chunk = self._frame.decompress(packed)
        return chunk
