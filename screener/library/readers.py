"""Records of text inputs: SMILES files, CSV and TSV, SDF, one molecule after another.

Nothing is dropped: a record that cannot be read is a record with an error, so that the accounts
add up. Only blank lines are passed over, and counted. Parquet, which has types, is read by
`screener.library.spool` directly.
"""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from screener.errors import ConfigError, MoleculeError
from screener.library.lines import MAX_LINE_BYTES, Lines
from screener.library.sources import Source, opened

# The first of these that a table has, whatever its case, is the column of that kind.
SMILES_COLUMNS = ("smiles", "canonical_smiles", "isomeric_smiles", "smiles_string", "smi")
ID_COLUMNS = ("id", "source_id", "identifier", "compound_id", "molecule_id", "name", "title")
MAX_SDF_RECORD_CHARACTERS = 1 << 20
MAX_HEAD_CHARACTERS = 200  # of what is no record, to show it


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

    Raises:
        ConfigError: there is no such column, or names are missing or repeated.
    """
    if len(set(names)) != len(names) or not all(name.strip() for name in names):
        raise ConfigError(
            f"{source.url}: the column names {', '.join(map(repr, names))[:300]} repeat or are "
            "empty; give each column a name of its own in the first line"
        )
    listed = ", ".join(names)[:300]
    for wanted, option in ((smiles_column, "--smiles-column"), (id_column, "--id-column")):
        if wanted is not None and wanted not in names:
            raise ConfigError(f"{source.url} has no column {wanted!r} ({option}); it has {listed}")
    by_lower = {name.strip().lower(): name for name in reversed(names)}
    smiles = smiles_column or next((by_lower[n] for n in SMILES_COLUMNS if n in by_lower), None)
    if smiles is None:
        raise ConfigError(
            f"{source.url} has no column named {', '.join(SMILES_COLUMNS)}; it has {listed}. "
            "Name the one that holds the SMILES with --smiles-column"
        )
    found = next((by_lower[n] for n in ID_COLUMNS if n in by_lower), None)
    return TableColumns(smiles, id_column or (found if found != smiles else None))


def check_text_source(source: Source, smiles_column: str | None, id_column: str | None) -> None:
    """Raises ConfigError: the source cannot be read as what it is, as far as its head shows."""
    if source.format in ("csv", "tsv"):
        with _rows(source) as (_, rows):
            choose_columns(source, _header(source, rows), smiles_column, id_column)
    else:
        with opened(source) as stream:
            stream.read(1)


def read_records(
    source: Source, smiles_column: str | None, id_column: str | None, blank: BlankCount
) -> Iterator[Record]:
    """The records of a text source, in order.

    Args:
        source: any format but Parquet.
        smiles_column: of a table; None to find it by its name.
        id_column: of a table or among an SDF's data; None to find it, or take an SDF's title.
        blank: counts blank lines.
    Raises:
        ConfigError: the source cannot be read to its end.
    """
    if source.format == "smiles":
        return _smiles_records(source, blank)
    if source.format == "sdf":
        return _sdf_records(source, id_column, blank)
    return _table_records(source, smiles_column, id_column, blank)


def _too_long() -> MoleculeError:
    return MoleculeError("too_long", f"longer than {MAX_LINE_BYTES} bytes; the rest is left out")


def _smiles_records(source: Source, blank: BlankCount) -> Iterator[Record]:
    with opened(source) as stream:
        lines = Lines(stream)
        for line in lines:
            if lines.cut:
                yield Record(lines.number, line, error=_too_long())
                continue
            words = line.split(maxsplit=1)
            if not words:
                blank.n += 1
                continue
            name = words[1] if len(words) == 2 else ""
            if name.startswith("|"):  # a CXSMILES extension stands before the name
                name = name[1:].partition("|")[2]
            yield Record(lines.number, words[0], name.partition("\t")[0].strip())


class _Fed:
    """Lines as the CSV reader wants them; `head` is the first since it was last emptied."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.head = ""

    def __iter__(self) -> Iterator[str]:
        for line in self.lines:
            self.head = self.head or line[:MAX_HEAD_CHARACTERS]
            yield f"{line}\n"  # with its end, as a quoted field may go on in the next line


@contextmanager
def _rows(source: Source) -> Iterator[tuple[_Fed, "Iterator[list[str]]"]]:
    with opened(source) as stream:
        fed = _Fed(Lines(stream))
        yield fed, csv.reader(fed, delimiter="\t" if source.format == "tsv" else ",")


def _header(source: Source, rows: Iterator[list[str]]) -> list[str]:
    try:
        header = next((row for row in rows if any(field.strip() for field in row)), None)
    except csv.Error as error:
        raise ConfigError(f"{source.url}: the first line is no list of columns: {error}") from error
    if header is None:
        raise ConfigError(f"{source.url} has no line that names its columns")
    return [name.strip() for name in header]


def _table_records(
    source: Source, smiles_column: str | None, id_column: str | None, blank: BlankCount
) -> Iterator[Record]:
    with _rows(source) as (fed, rows):
        lines = fed.lines
        header = _header(source, rows)
        columns = choose_columns(source, header, smiles_column, id_column)
        own = [name for name in header if name not in (columns.smiles, columns.id)]
        while True:
            line, fed.head = lines.number + 1, ""
            try:
                row = next(rows, None)
            except csv.Error as error:  # such as a quote that is never closed
                yield Record(
                    line,
                    fed.head,
                    error=MoleculeError(
                        "invalid_csv", f"lines {line} to {lines.number} are no CSV record: {error}"
                    ),
                )
                continue
            if row is None:
                return
            if not any(field.strip() for field in row) and len(row) < 2:
                blank.n += 1
                continue
            values = dict(zip(header, row, strict=False))
            record = Record(
                line,
                values.get(columns.smiles, "").strip(),
                values.get(columns.id, "").strip() if columns.id else "",
                {name: values.get(name, "") for name in own},
            )
            if lines.cut:
                record.error = _too_long()
            elif len(row) > len(header):
                record.error = MoleculeError(
                    "invalid_csv", f"{len(row)} fields, but {len(header)} columns; quote commas"
                )
            yield record


def _sdf_records(source: Source, id_column: str | None, blank: BlankCount) -> Iterator[Record]:
    with opened(source) as stream:
        lines = Lines(stream)
        for line, block, error in _sdf_blocks(lines, blank):
            end = next((k for k, text in enumerate(block) if text.startswith("M  END")), None)
            cut = len(block) if end is None else end + 1
            own = _sdf_data(block[cut:])
            title = block[0].strip()
            source_id = own.pop(id_column, "") if id_column is not None else title
            yield Record(line, "\n".join(block[:cut]) + "\n", source_id, own, error)


def _sdf_blocks(
    lines: Lines, blank: BlankCount
) -> Iterator[tuple[int, list[str], MoleculeError | None]]:
    """Each record's first line number, its lines without `$$$$`, and what is wrong with it."""
    block: list[str] = []
    start, size = 1, 0
    for line in lines:
        if line.startswith("$$$$"):
            yield start, block or [""], _sdf_error(size)
            block, start, size = [], lines.number + 1, 0
            continue
        size += len(line) + 1
        if size <= MAX_SDF_RECORD_CHARACTERS:
            block.append(line)
    if any(line.strip() for line in block):
        yield start, block, _sdf_error(size)
    else:
        blank.n += len(block)


def _sdf_error(size: int) -> MoleculeError | None:
    if size > MAX_SDF_RECORD_CHARACTERS:
        return MoleculeError("too_long", f"a record of {size} characters")
    return None


def _sdf_data(lines: list[str]) -> dict[str, str]:
    """The data items after the mol block: `> <NAME>`, then lines up to a blank one."""
    data: dict[str, str] = {}
    name: str | None = None
    values: list[str] = []
    for line in [*lines, ""]:
        if name is None and line.startswith(">"):
            start, end = line.find("<"), line.rfind(">")
            if 0 <= start < end:
                name, values = line[start + 1 : end].strip(), []
        elif name is not None and line.strip():
            values.append(line)
        elif name is not None:
            data[name] = "\n".join(values)
            name = None
    return data
