"""SD files: where their records end, and what the data items after a molecule say.

Programs write them with less care than the format asks for. A record ends at `$$$$`, and also where
a second molecule begins without one. A data item goes on up to the header of the next, so a value
may hold blank lines, and the blank line after a value may be missing. Where a second molecule may
as well belong to an item, the record has an error.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, count

from screener.errors import MoleculeError
from screener.library.lines import Lines

MAX_RECORD_CHARACTERS = 1 << 20
_N_HEADER = 3  # lines of a mol block before its counts
_END = "M  END"
_COUNTS = re.compile(r"[ \d]{6}[\s\d]*V[23]000\s*")
# `> <NAME>` with the numbers that may stand around it, which no value looks like by chance
_HEADER = re.compile(r">(?:\s+[\w()-]+)*\s*<[^<>]+>(?:\s+\S+)*\s*")
_NUMBERED = re.compile(r">\s*(?:DT\d+\b.*)?")  # an item that is named by the number of its field


@dataclass(slots=True)
class SdfBlock:
    """The lines of one record without `$$$$`."""

    start: int  # 1-based number of the first line
    lines: list[str] = field(default_factory=list)
    is_ended: bool = False  # by `$$$$`, or by the next molecule
    error: MoleculeError | None = None
    size: int = 0  # characters, those that are not kept among them
    n_molecule: int = 0  # lines up to the molecule's end, once that was read

    def molecule(self) -> list[str]:
        """The lines of the mol block."""
        return self.lines[: self.n_molecule or None]

    def data(self) -> dict[str, str]:
        """The values of the data items by name; the second of a name gets `_2` after it."""
        data: dict[str, str] = {}
        for name, values in _items(self.lines[self.n_molecule :] if self.n_molecule else ()):
            names = chain([name], (f"{name}_{number}" for number in count(2)))
            data[next(each for each in names if each not in data)] = "\n".join(values)
        return data


def sdf_blocks(lines: Lines) -> Iterator[SdfBlock]:
    """The records of an SD file, in order.

    Args:
        lines: begin where a record does.
    Yields:
        Each record with what is wrong with it; the last one, if it is not ended, may hold blank
        lines alone.
    """
    block = SdfBlock(lines.number + 1)
    for line in lines:
        if line.startswith("$$$$"):
            block.is_ended = True
            yield _told(block)
            block = SdfBlock(lines.number + 1)
            continue
        if block.n_molecule and _COUNTS.fullmatch(line) and block.size <= MAX_RECORD_CHARACTERS:
            header = len(block.lines) - _N_HEADER
            n_value = _lines_of_value(block.lines[block.n_molecule : header])
            if header < block.n_molecule or n_value:
                block.error = block.error or _doubtful(lines.number)
            elif n_value is None:
                begun = SdfBlock(block.start + header, block.lines[header:])
                begun.size = sum(len(text) + 1 for text in begun.lines)
                block.lines, block.is_ended = block.lines[:header], True
                yield _told(block)
                block = begun
        block.error = block.error or lines.error
        block.size += len(line) + 1
        if block.size <= MAX_RECORD_CHARACTERS:
            block.lines.append(line)
            if not block.n_molecule and line.startswith(_END):
                block.n_molecule = len(block.lines)
    yield _told(block)


def _told(block: SdfBlock) -> SdfBlock:
    """The record, without blank lines before its header, and whether it is too long."""
    if block.size > MAX_RECORD_CHARACTERS:
        block.error = MoleculeError("too_long", f"a record of {block.size} characters")
    if block.lines and not block.lines[0].strip():
        places = (k for k, text in enumerate(block.lines[:20]) if _COUNTS.fullmatch(text))
        n_before = next(places, _N_HEADER) - _N_HEADER
        if n_before > 0 and not any(text.strip() for text in block.lines[:n_before]):
            block.start += n_before
            block.lines = block.lines[n_before:]
            block.n_molecule = max(block.n_molecule - n_before, 0)
    return block


def _lines_of_value(data: Sequence[str]) -> int | None:
    """How many lines the value has that goes on after some lines of data.

    Returns:
        None if none does; 0 if one begins there, or holds a mol block.
    """
    n: int | None = None
    holds_molecule = False
    for line in data:
        if _name_of(line, n is not None) is not None:
            n, holds_molecule = 0, False
        elif _COUNTS.fullmatch(line):
            holds_molecule = True
        elif not line.strip():
            n = None
        elif n is not None:
            n += 1
    return 0 if holds_molecule else n


def _doubtful(line: int) -> MoleculeError:
    return MoleculeError(
        "two_molecules",
        f"another molecule begins before line {line}, and it is not clear where; end every record "
        "with a line $$$$",
    )


def _items(lines: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Name and value of each data item, the value without blank lines before and after it."""
    name: str | None = None
    values: list[str] = []
    for line in lines:
        is_open = name is not None and (not values or bool(values[-1].strip()))
        header = _name_of(line, is_open, name is None)
        if header is not None:
            if name is not None:
                yield name, _trimmed(values)
            name, values = header, []
        else:
            values.append(line)
    if name is not None:
        yield name, _trimmed(values)


def _name_of(line: str, is_open: bool, is_first: bool = False) -> str | None:
    """The name in the header of a data item; None for a line of another kind.

    Args:
        line: of the data.
        is_open: whether the value of the item before has not ended with a blank line.
        is_first: whether there is no item before.
    """
    if not line.startswith(">"):
        return None
    start, end = line.find("<"), line.rfind(">")
    if 0 <= start < end:
        is_header = not is_open or _HEADER.fullmatch(line) is not None
        name = line[start + 1 : end]
    else:
        is_header = is_first or (not is_open and _NUMBERED.fullmatch(line) is not None)
        name = line[1:]
    return (name.strip() or "unnamed") if is_header else None


def _trimmed(values: list[str]) -> list[str]:
    kept = [k for k, text in enumerate(values) if text.strip()]
    return values[kept[0] : kept[-1] + 1] if kept else []
