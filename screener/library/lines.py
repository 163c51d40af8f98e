"""Lines of a text file, however long, in whatever encoding.

A line of megabytes is cut while it is read, so that memory stays bounded, and says so.
"""

import codecs
import io
from collections.abc import Callable, Iterator
from typing import NamedTuple

from screener.errors import MoleculeError

MAX_LINE_BYTES = 1 << 20


class Lines:
    """Iterates over the lines of a stream without their ends.

    UTF-8 is expected, a line that is not is read as Latin-1, and a file that begins with UTF-16's
    byte order mark as UTF-16; keep the object as long as the stream. `number` is the 1-based number
    of the last line read, `cut` whether that line was longer than `MAX_LINE_BYTES`.
    """

    def __init__(self, stream: io.BufferedReader) -> None:
        self.number = 0
        self.cut = False
        self._readline = _line_reader(stream)

    def __iter__(self) -> "Lines":
        return self

    def __next__(self) -> str:
        line = self._readline(MAX_LINE_BYTES)
        if not line:
            raise StopIteration
        self.number += 1
        self.cut = len(line) >= MAX_LINE_BYTES and not line.endswith(b"\n")
        rest = line
        while rest and not rest.endswith(b"\n"):  # the remainder of a cut line, or the file's end
            rest = self._readline(MAX_LINE_BYTES)
        line = line.rstrip(b"\r\n")
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError:
            return line.decode("latin-1")


class Line(NamedTuple):
    """One line by itself, which can be kept while others are read."""

    number: int
    text: str
    cut: bool


def numbered(lines: Lines) -> Iterator[Line]:
    """The lines, each with its number and whether it was cut."""
    return (Line(lines.number, text, lines.cut) for text in lines)


def too_long() -> MoleculeError:
    """What is wrong with a line that was cut."""
    return MoleculeError("too_long", f"longer than {MAX_LINE_BYTES} bytes; the rest is left out")


def _line_reader(stream: io.BufferedReader) -> Callable[[int], bytes]:
    start = stream.peek(3)[:3]
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = io.TextIOWrapper(stream, encoding="utf-16", errors="replace", newline="\n")
        return lambda limit: text.readline(limit).encode()
    if start == codecs.BOM_UTF8:
        stream.read(3)
    return stream.readline
