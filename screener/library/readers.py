"""Records of text inputs: SMILES files, CSV and TSV, SDF, one molecule after another.

Nothing is dropped: a record that cannot be read is a record with an error, so that the accounts
add up. Only blank lines are passed over, and counted. Reading may begin at any record of an input,
for which a table's header is read before. Parquet is read by `screener.library.parquet_input`.

A line of a SMILES file is the SMILES, white space, and a name up to a tab; what further tabs
separate are the caller's columns `column_3`, `column_4` and so on. Such a file has no header.
Tables are read by `screener.library.text_tables`, SD files are cut by `screener.library.sdf`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from screener.chemistry.reading import is_smiles
from screener.errors import ConfigError, MoleculeError
from screener.library.columns import distinct_names
from screener.library.csv_rows import CsvRows
from screener.library.lines import (
    MAX_LINE_BYTES,
    Lines,
    numbered,
    skip_byte_order_mark,
)
from screener.library.sdf import sdf_blocks
from screener.library.sources import Format, Source, opened
from screener.library.text_tables import is_blank, names_of, problem_of, read_header
from screener.stores.cells import from_cell

# The first of these that a table has, whatever its case, is the column of that kind.
SMILES_COLUMNS = ("smiles", "canonical_smiles", "isomeric_smiles", "smiles_string", "smi")
ID_COLUMNS = ("id", "source_id", "identifier", "compound_id", "molecule_id", "name", "title")
TABLES: tuple[Format, ...] = ("csv", "tsv")
MAX_SMILES_FILE_COLUMNS = 100  # what a line has beyond stays together in the last
# SMILES, a CXSMILES extension, and the rest
_SMILES_LINE = re.compile(r"\s*(\S+)(?:\s+\|[^|]*\|)?(.*)", re.DOTALL)

# what programs that divide SMILES into words put between blanks
_TOKEN = re.compile(r"\[[^\[\]]+\]|Br|Cl|[BCNOPSFIbcnops*().=#$:/\\~@?+-]|%?\d{1,2}")


@dataclass(slots=True)
class Record:
    """One molecule as it stands in an input."""

    line: int  # 1-based; where the record begins
    text: str  # SMILES, or the mol block
    source_id: str = ""
    own: dict[str, str] = field(default_factory=dict)  # the caller's other columns
    error: MoleculeError | None = None  # the record cannot be read


@dataclass(slots=True)
class BlankCount:
    """Blank lines passed over so far."""

    n: int = 0


@dataclass(frozen=True, slots=True)
class TableColumns:
    """Which columns of a table hold the SMILES and the ids."""

    smiles: str
    id: str | None


def choose_columns(
    source: Source, names: Sequence[str], smiles_column: str | None, id_column: str | None
) -> TableColumns:
    """The columns of a table with SMILES, named by the caller or found.

    Args:
        source: for messages.
        names: of all columns.
        smiles_column, id_column: named by the caller; None to find them by their names.
    Returns:
        The names of the two columns.
    Raises:
        ConfigError: there is no such column.
    """
    listed = ", ".join(names)[:300]
    for wanted, option in ((smiles_column, "--smiles-column"), (id_column, "--id-column")):
        if wanted is not None and wanted not in names:
            raise ConfigError(f"{source.url} has no column {wanted!r} ({option}); it has {listed}")
    smiles = smiles_column or _first_present(names, SMILES_COLUMNS)
    if smiles is None:
        raise ConfigError(
            f"{source.url} has no column named {', '.join(SMILES_COLUMNS)}; it has {listed}. "
            "Name the one that holds the SMILES with --smiles-column"
        )
    ids = _first_present(names, ID_COLUMNS)
    return TableColumns(smiles, id_column or (ids if ids != smiles else None))


def _first_present(names: Sequence[str], wanted: Sequence[str]) -> str | None:
    """The first of `wanted` among the names, whatever its case there."""
    by_lower = {name.strip().lower(): name for name in reversed(names)}
    return next((by_lower[name] for name in wanted if name in by_lower), None)


@dataclass(frozen=True, slots=True)
class TableHead:
    """What the first line of a table says of the others."""

    separator: str
    names: tuple[str, ...]  # of all columns
    columns: TableColumns


@dataclass(frozen=True, slots=True)
class InputHead:
    """Where the records of a text input begin; offsets count bytes as `sources.opened` gives them
    (with UTF-8's byte order mark)."""

    offset: int = 0  # byte of the first record
    line: int = 0  # lines before it
    table: TableHead | None = None  # of CSV and TSV


def read_head(source: Source, smiles_column: str | None, id_column: str | None) -> InputHead:
    """Look where the records of a text source begin, and for the columns of a table.

    Args:
        source: any format but Parquet.
        smiles_column: of a table; None to find it by its name.
        id_column: of a table or among an SDF's data; None to find it, or take an SDF's title.
    Returns:
        The place of the first record, and of a table how to read its rows.
    Raises:
        ConfigError: it cannot be read, or is a table without a usable header.
    """
    with opened(source) as stream:
        offset = skip_byte_order_mark(stream)
        if source.format in TABLES:
            return _table_head(source, Lines(stream, offset), smiles_column, id_column)
    return InputHead(offset)


def _table_head(
    source: Source, text: Lines, smiles_column: str | None, id_column: str | None
) -> InputHead:

    def fit(names: list[str]) -> int:
        if smiles_column:
            return smiles_column in names
        return _first_present(names, SMILES_COLUMNS) is not None

    separator, cells, rows = read_header(source, numbered(text), fit)
    names = distinct_names(names_of(cells), source.url)
    columns = choose_columns(source, names, smiles_column, id_column)
    head = TableHead(separator, tuple(names), columns)
    row = next(rows, None)
    if row is None:
        return InputHead(text.end, text.number, head)
    return InputHead(row.first.start, row.first.number - 1, head)


def has_record(source: Source, smiles_column: str | None, id_column: str | None) -> bool:
    """Whether a text source has any record, valid or not; reads no further than the first.

    Args:
        source: any format but Parquet.
        smiles_column, id_column: as for `read_head`.
    Returns:
        Whether there is one.
    Raises:
        ConfigError: it cannot be read as what it is, as far as its head shows.
    """
    return any(True for _ in read_records(source, smiles_column, id_column, BlankCount()))


def read_records(
    source: Source, smiles_column: str | None, id_column: str | None, blank: BlankCount
) -> Iterator[Record]:
    """All records of a text source, in order.

    Args:
        source: any format but Parquet.
        smiles_column, id_column: as for `read_head`.
        blank: counts blank lines.
    Yields:
        Every record, one that cannot be read with an error.
    Raises:
        ConfigError: the source cannot be read to its end, or is a table without a usable header.
    """
    head = read_head(source, smiles_column, id_column)
    with opened(source) as stream:
        for start in range(0, head.offset, MAX_LINE_BYTES):
            stream.read(min(MAX_LINE_BYTES, head.offset - start))
        lines = Lines(stream, head.offset, head.line)
        yield from records_of(source.format, head.table, lines, id_column, blank)


def records_of(
    source_format: Format,
    table: TableHead | None,
    lines: Lines,
    id_column: str | None,
    blank: BlankCount,
) -> Iterator[Record]:
    """The records that some lines of a text source hold.

    Args:
        source_format: any but Parquet.
        table: the head of CSV and TSV.
        lines: begin where a record does.
        id_column: where to find an SDF's ids among its data; None for its titles.
        blank: counts blank lines.
    Returns:
        The records in order, one that cannot be read with an error.
    """
    if source_format == "smiles":
        return _smiles_records(lines, blank)
    if source_format == "sdf":
        return _sdf_records(lines, id_column, blank)
    assert table is not None
    return _table_records(table, lines, blank)


def _smiles_records(lines: Lines, blank: BlankCount) -> Iterator[Record]:
    for line in numbered(lines):
        if line.error is not None:
            yield Record(line.number, line.text, error=line.error)
            continue
        match = _SMILES_LINE.match(line.text)
        if match is None:
            blank.n += 1
            continue
        extension = line.text[match.end(1) : match.start(2)].strip()
        if not extension and (error := _of_pieces(match[1], match[2])) is not None:
            yield Record(line.number, line.text.strip(), error=error)
            continue
        name, *fields = match[2].rstrip().split("\t", MAX_SMILES_FILE_COLUMNS)
        if not name.strip() and fields:  # a tab, and no blank, stands after the SMILES
            name, *fields = fields
        own = {f"column_{number}": text for number, text in enumerate(fields, start=3)}
        yield Record(line.number, f"{match[1]} {extension}".rstrip(), name.strip(), own)


def _of_pieces(first: str, rest: str) -> MoleculeError | None:
    """What is wrong with a line whose SMILES may have blanks in it, such as `C C # N`.

    Args:
        first: what stands before the first blank.
        rest: what stands after it.
    Returns:
        None if the rest is a name: `C` may be followed by one, and even by `1`.
    """
    pieces = [first, *rest.split("\t", 1)[0].split()]
    tokens = list(takewhile(_TOKEN.fullmatch, pieces))
    if len(tokens) < 2:
        return None
    has_atoms = any(token[0].isalpha() or token[0] == "[" for token in tokens[1:])
    if (len(tokens) < 3 or not has_atoms) and not is_smiles("".join(tokens)):
        return None
    return MoleculeError(
        "blank_in_smiles",
        f"{' '.join(tokens)[:60]!r} may be one SMILES with blanks in it, or {first} with a name; "
        "write SMILES without blanks, and a tab before the name",
    )


def _table_records(table: TableHead, lines: Lines, blank: BlankCount) -> Iterator[Record]:
    names, columns = table.names, table.columns
    own = [name for name in names if name not in (columns.smiles, columns.id)]
    for row in CsvRows(numbered(lines), table.separator, len(names)):
        if is_blank(row):
            blank.n += 1
            continue
        error = problem_of(row, table.separator, len(names))
        if row.error is not None:
            yield Record(row.first.number, row.first.text, error=error)
            continue
        values = dict(zip(names, map(from_cell, row.fields), strict=False))
        yield Record(
            row.first.number,
            values.get(columns.smiles, "").strip(),
            values.get(columns.id, "").strip() if columns.id else "",
            {name: values.get(name, "") for name in own},
            error,
        )


def _sdf_records(lines: Lines, id_column: str | None, blank: BlankCount) -> Iterator[Record]:
    for block in sdf_blocks(lines):
        if not block.is_ended and not any(text.strip() for text in block.lines):
            blank.n += len(block.lines)
            continue
        molecule, own = block.molecule() or [""], block.data()
        source_id = own.pop(id_column, "") if id_column is not None else molecule[0].strip()
        yield Record(block.start, "\n".join(molecule) + "\n", source_id, own, block.error)
