"""What commands print: tables and sentences for people, JSON for programs.

A table is as wide as the terminal at most, or 80 columns where the output is no terminal: columns
that matter less are left out, and named below it. No number is cut and no word is broken; what is
longer than a line, such as the SMILES of a large molecule, gets a line of its own. There are no
boxes, and colours on terminals alone, so that what is piped is plain text. Numbers in full and all
columns are in the JSON, which every command that prints results has.
"""

import json
import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

GAP = "  "  # between two columns
INDENT = "    "  # of what has no place in its row
_NARROWEST = 16  # of a column of sentences


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Args:
        name: its head, which may take several lines.
        is_number: whether its cells stand at the right.
        rank: 0 is always shown; of the others the largest is left out first.
        wraps: whether its cells are sentences, which may take several lines.
    """

    name: str
    is_number: bool = False
    rank: int = 0
    wraps: bool = False


def number(name: str, rank: int = 0) -> Column:
    """A column of numbers.

    Args:
        name: its head.
        rank: as of `Column`.
    """
    return Column(name, is_number=True, rank=rank)


class Table:
    """Rows of text, laid out for a width.

    Args:
        columns: a text is a column that is always shown.
        title: stands above.
    """

    def __init__(self, *columns: Column | str, title: str = "") -> None:
        self.columns = [Column(each) if isinstance(each, str) else each for each in columns]
        self.title = title
        self._rows: list[tuple[str, ...]] = []

    def add_row(self, *cells: str) -> None:
        """One more row, with a cell of each column."""
        if len(cells) != len(self.columns):
            raise ValueError(f"{len(cells)} cells for {len(self.columns)} columns")
        self._rows.append(tuple(map(_one_line, cells)))

    def shown(self, width: int) -> list[int]:
        """The places of the columns that fit into `width` characters."""
        places = list(range(len(self.columns)))
        while sum(map(self._least, places)) + len(GAP) * (len(places) - 1) > width:
            rank = max(self.columns[place].rank for place in places)
            if rank == 0:
                break
            places.remove(max(p for p in places if self.columns[p].rank == rank))
        return places

    def head_and_body(self, width: int) -> tuple[list[str], list[str]]:
        """The lines of the heads and those of the rows, in `width` characters."""
        places = self.shown(width)
        widths = self._widths(places, width)
        head = self._joined([_wrapped(self.columns[p].name, widths[p]) for p in places], widths)
        body: list[str] = []
        for row in self._rows:
            last = places[-1]
            is_long = cell_len(row[last]) > widths[last] and not self.columns[last].wraps
            cells = [
                _wrapped(row[p], widths[p]) if self.columns[p].wraps else [row[p]] for p in places
            ]
            if is_long:
                cells[-1] = [""]
            body += self._joined(cells, widths)
            if is_long:
                body.append(INDENT + row[last])
        left_out = [each.name for p, each in enumerate(self.columns) if p not in places]
        if left_out:
            text = f"not shown: {', '.join(left_out)}; a wider terminal shows more, and --json all"
            body += _wrapped(text, width)
        return head, body

    def _cells(self, place: int) -> Iterator[str]:
        return (row[place] for row in self._rows)

    def _least(self, place: int) -> int:
        """How few characters a column can take."""
        column = self.columns[place]
        words = max(map(cell_len, column.name.split()), default=0)
        longest = max(map(cell_len, self._cells(place)), default=0)
        if column.wraps:
            return max(words, min(longest, _NARROWEST))
        if place == len(self.columns) - 1 and not column.is_number:
            longest = min(longest, 2 * _NARROWEST)  # what is longer goes below its row
        return max(words, longest)

    def _widths(self, places: list[int], width: int) -> dict[int, int]:
        widths = {place: self._least(place) for place in places}
        free = width - sum(widths.values()) - len(GAP) * (len(places) - 1)
        for place in reversed(places):  # what is free goes to texts first, then to heads
            full = max(map(cell_len, self._cells(place)), default=0)
            more = max(0, min(free, full - widths[place]))
            widths[place] += more
            free -= more
        for place in places:
            more = max(0, min(free, cell_len(self.columns[place].name) - widths[place]))
            widths[place] += more
            free -= more
        return widths

    def _joined(self, cells: list[list[str]], widths: dict[int, int]) -> list[str]:
        lines = []
        for number_of_line in range(max(map(len, cells))):
            parts = []
            for (place, width), texts in zip(widths.items(), cells, strict=True):
                text = texts[number_of_line] if number_of_line < len(texts) else ""
                blank = " " * (width - cell_len(text))
                parts.append(blank + text if self.columns[place].is_number else text + blank)
            lines.append(GAP.join(parts).rstrip())
        return lines


def rendered(table: Table, width: int) -> Text:
    """A table as rich prints it: the heads in bold on a terminal.

    Args:
        table: to lay out.
        width: characters of a line.
    """
    head, body = table.head_and_body(width)
    text = Text(no_wrap=True)
    if table.title:
        text.append("\n".join(_wrapped(table.title, width)) + "\n", style="bold")
    text.append("\n".join(head) + "\n", style="bold")
    text.append("\n".join(body))
    return text


def results() -> Console:
    """Standard output."""
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=True)


def print_table(table: Table, console: Console | None = None) -> None:
    """Print a table.

    Args:
        table: what to print.
        console: where to; by default standard output.
    """
    console = console or results()
    console.print(rendered(table, console.width), soft_wrap=True)


def say(text: str, console: Console | None = None) -> None:
    """Print sentences: broken between words on a terminal, whole lines elsewhere.

    Args:
        text: one or more lines; what follows the first line of each is indented.
        console: where to; by default standard output.
    """
    console = console or results()
    for line in text.split("\n"):
        whole = _one_line(line)
        parts = _wrapped(whole, console.width, INDENT) if console.is_terminal else [whole]
        for part in parts:
            console.print(Text(part), soft_wrap=True)


def print_json(value: Any) -> None:
    """Print a value as JSON; numbers that are none become null."""
    typer.echo(json.dumps(plain(value), indent=1, ensure_ascii=False, allow_nan=False))


def plain(value: Any) -> Any:
    """A value in the types of JSON: tables and records as objects, and no NaN.

    Raises:
        TypeError: JSON has nothing for it.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, Sequence | set | frozenset):
        return [plain(each) for each in value]
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "tolist"):  # of numpy
        return plain(value.tolist())
    raise TypeError(f"{type(value).__name__} is nothing that JSON has")


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    lines = textwrap.wrap(
        text,
        max(width, 1),
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines or [""]


def _one_line(text: str) -> str:
    """Without the line ends and control characters that a user's text may hold."""
    return "".join(each if each.isprintable() else " " for each in text)
