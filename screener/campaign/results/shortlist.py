"""The shortlist as files: Parquet, CSV and SDF, from the rows that were chosen; and what their
columns mean.

Each file's bytes follow from the chosen rows and the ranking alone. Text that a spreadsheet would
run is marked as text in the CSV (`screener.stores.cells`).
"""

import io
import math
import re
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from rdkit import Chem
from rdkit.Geometry import Point3D

from screener.campaign.results.legend import legend
from screener.errors import MoleculeError, StoreError
from screener.library.columns import result_name
from screener.ranking.columns import is_numeric, is_text
from screener.ranking.objectives import RankingSettings
from screener.ranking.reasons import why_columns
from screener.ranking.row_status import row_status
from screener.ranking.topk import TopK
from screener.records import Structure
from screener.stores.cells import to_cells
from screener.stores.files import Folder, to_parquet
from screener.stores.number_texts import are_marks
from screener.stores.plain_columns import plain_table, readable

_LINE_END = re.compile("\r\n|\r|\n")

FILES = ("shortlist.parquet", "shortlist.csv", "shortlist.sdf")
LEGEND = "columns.csv"


def shortlist_table(
    predictions: pa.Table, top: TopK, settings: RankingSettings, known_column: str | None
) -> pa.Table:
    """The chosen rows in order, with what the ranking says of them.

    Args:
        predictions: (n,) rows of the last stage that hold at least the chosen ones.
        top: the chosen rows, best first.
        settings: the ranking.
        known_column: a row in which it is not empty is a known molecule.
    Returns:
        `rank` (from 1), `score`, `pareto_front` (from 1) and `pareto_utility` or `expected_utility`
        where it is ranked by fronts or by probability, `desirability_<objective>`, `known` where
        there is such a column, what `why_columns` says, then the columns of the predictions.
    """
    position = {row: index for index, row in enumerate(predictions["row"].to_pylist())}
    order = pa.array([position[row] for row in top.rows.tolist()], pa.int64())
    chosen = predictions.take(order)
    status = row_status(chosen, settings)
    columns: dict[str, pa.Array | pa.ChunkedArray] = {
        "rank": pa.array(np.arange(1, chosen.num_rows + 1), pa.int64()),
        "score": pa.array([entry.score for entry in top.entries], pa.float64()),
    }
    if settings.by == "pareto":
        fronts = [math.ceil(-entry.score) for entry in top.entries]
        columns["pareto_front"] = pa.array(fronts, pa.int64())
        columns["pareto_utility"] = pa.array(status.score, pa.float64())
    elif settings.by == "probability":
        columns["expected_utility"] = pa.array(status.tie, pa.float64())
    for name, values in status.desirabilities.items():
        columns[f"desirability_{name}"] = pa.array(values, pa.float64())
    if known_column is not None:
        columns["known"] = is_known(chosen[known_column])
    columns |= why_columns(chosen, settings, status)
    return pa.table(columns | {name: chosen[name] for name in chosen.column_names})


def is_known(column: pa.ChunkedArray) -> pa.Array:
    """True where a column marks its row: not null, not empty, not zero or false.

    Text that says so (`0`, `False`, `NaN`) does not mark it either.
    """
    kind = column.type
    if pa.types.is_null(kind):
        return pa.array(np.zeros(len(column), dtype=bool))
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        marked = pc.cast(column, pa.bool_())
    elif is_text(kind):
        return are_marks(column)
    else:
        marked = pc.is_valid(column)
    return pc.fill_null(marked, False).combine_chunks()


def write_shortlist(
    folder: Folder,
    path: str,
    table: pa.Table,
    structures: Sequence[Structure | MoleculeError],
    settings: RankingSettings,
) -> dict[str, str]:
    """Write the three files, and the one that says what their columns mean, below `path`.

    Args:
        folder: of the campaign.
        path: a folder below it that ends in '/', or nothing.
        table: from `shortlist_table`.
        structures: of its rows.
        settings: the ranking.
    Returns:
        SHA-256 (hex) by name of the file.
    Raises:
        StoreError: a file cannot be written.
    """
    contents = (
        to_parquet(table),
        _to_csv(_flat(table)),
        to_sdf(table, structures).encode(),
        _to_csv(legend(table.column_names, settings)),
    )
    return {
        name: folder.write_bytes(f"{path}{name}", content)
        for name, content in zip((*FILES, LEGEND), contents, strict=True)
    }


def _to_csv(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pyarrow.csv.write_csv(to_cells(table), sink)
    return sink.getvalue()


def _flat(table: pa.Table) -> pa.Table:
    """The table with columns that CSV cannot hold, such as lists, as text."""
    table = plain_table(table)
    for index, field in enumerate(table.schema):
        if not (is_numeric(field.type) or is_text(field.type)):
            table = table.set_column(index, field.name, readable(table[index]))
    return table


def to_sdf(table: pa.Table, structures: Sequence[Structure | MoleculeError]) -> str:
    """The rows as an SD file: the stored geometry, and every column that has a value.

    Names of columns are as in the other files, or changed where they would break the file.

    Args:
        table: (n,) rows with `smiles`, `source_id`, `mol_id`.
        structures: (n,), atoms in the order of the SMILES, hydrogens last.
    Raises:
        StoreError: a row has no structure, or one of another molecule.
    """
    sink = io.StringIO()
    names = _data_names(table.column_names)
    with Chem.SDWriter(sink) as writer:
        for row, structure in zip(_texts(table).to_pylist(), structures, strict=True):
            if isinstance(structure, MoleculeError):
                raise StoreError(f"molecule {row['mol_id']} is ranked and has no structure")
            writer.write(_molecule(row, structure, names))
    return sink.getvalue()


def _texts(table: pa.Table) -> pa.Table:
    """The table as text, which says the same as the CSV."""
    columns = [readable(column) for column in plain_table(table).columns]
    return pa.Table.from_arrays(columns, names=table.column_names)


def _data_names(columns: Sequence[str]) -> dict[str, str]:
    """Names of the data in an SD file by column; another name only where a campaign was begun
    before such names were changed at its start."""
    names: dict[str, str] = {}
    for column in columns:
        name = result_name(column)
        while name != column and (name in columns or name in names.values()):
            name = f"own_{name}"
        names[column] = name
    return names


def _molecule(
    row: dict[str, str | None], structure: Structure, names: Mapping[str, str]
) -> Chem.Mol:
    molecule = Chem.AddHs(Chem.MolFromSmiles(str(row["smiles"])))
    numbers = [atom.GetAtomicNum() for atom in molecule.GetAtoms()]
    if numbers != structure.atomic_numbers.tolist():
        raise StoreError(f"the stored structure of {row['mol_id']} is not of {row['smiles']}")
    conformer = Chem.Conformer(len(numbers))
    for index, (x, y, z) in enumerate(structure.positions.astype(np.float64).tolist()):
        conformer.SetAtomPosition(index, Point3D(x, y, z))
    molecule.AddConformer(conformer)
    molecule.SetProp("_Name", _line(row["source_id"] or str(row["mol_id"])))
    for name, value in row.items():
        if value:
            molecule.SetProp(names[name], _value(value))
    return molecule


def _value(text: str) -> str:
    """The text as the value of a data item; another one only where it would not come back.

    A value ends at an empty line, and a record at a line that begins with `$$$$`.
    """
    lines = _LINE_END.split(text)
    if len(lines) > 1 and any(not each.strip() or each.startswith(">") for each in lines):
        lines = [" ".join(text.split())]
    return "\n".join(each.replace("$$$$", "$ $ $ $", each.startswith("$$$$")) for each in lines)


def _line(text: str) -> str:
    """One line of text, as a title is; `$$$$` would end the record."""
    return " ".join(text.split()).replace("$$$$", "$ $ $ $")
