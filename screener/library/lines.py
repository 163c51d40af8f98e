"""Lines of a text file, however long, each with its number and the byte at which it begins.

A line of megabytes is cut while it is read, so that memory stays bounded, and says so.
"""

import codecs
import io
from collections.abc import Iterator
from typing import Any, NamedTuple

from screener.errors import MoleculeError

MAX_LINE_BYTES = 1 << 20


class Line(NamedTuple):
    """One line by itself, which can be kept while others are read."""

    number: int
    text: str
    cut: bool
    start: int  # byte at which the line begins


class Lines:
    """Iterates over the lines of a stream without their ends.

    UTF-8 is expected, and a line that is not is read as Latin-1. `number` is the 1-based number of
    the last line read, `cut` whether it was longer than `MAX_LINE_BYTES`, `start` and `end` the
    bytes at which it begins and at which the next one does.

    Args:
        stream: begins at the start of a line.
        offset: bytes of the input before the stream's first.
        lines_before: lines of the input before the stream's first.
    """

    def __init__(
        self, stream: "io.BufferedReader[Any]", offset: int = 0, lines_before: int = 0
    ) -> None:
        self.number = lines_before
        self.cut = False
        self.start = self.end = offset
        self._readline = stream.readline

    def __iter__(self) -> "Lines":
        return self

    def __next__(self) -> str:
        line = self._readline(MAX_LINE_BYTES)
        if not line:
            raise StopIteration
        self.number += 1
        self.start = self.end
        self.end += len(line)
        self.cut = len(line) >= MAX_LINE_BYTES and not line.endswith(b"\n")
        rest = line
        while rest and not rest.endswith(b"\n"):  # the remainder of a cut line, or the file's end
            rest = self._readline(MAX_LINE_BYTES)
            self.end += len(rest)
        line = line.rstrip(b"\r\n")
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError:
            return line.decode("latin-1")


def numbered(lines: Lines) -> Iterator[Line]:
    """The lines, each with its number, whether it was cut, and where it begins."""
    return (Line(lines.number, text, lines.cut, lines.start) for text in lines)


def too_long() -> MoleculeError:
    """What is wrong with a line that was cut."""
    return MoleculeError("too_long", f"longer than {MAX_LINE_BYTES} bytes; the rest is left out")


def skip_byte_order_mark(stream: io.BufferedReader) -> int:
    """Pass over UTF-8's byte order mark at the beginning of a stream; returns its bytes, or 0."""
    if not stream.peek(3).startswith(codecs.BOM_UTF8):
        return 0
    return len(stream.read(3))
