"""The last pass: rows numbered without gaps, in shards, and what was there already."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from screener.library.columns import as_type
from screener.library.dedupe import Records
from screener.library.record_schema import OWN
from screener.stores.library import DUPLICATES_SCHEMA, STANDARD_SCHEMA

_ATOM = re.compile(r"\[\d*(?P<bracket>[A-Z][a-z]?|[a-z]{1,2})|Br|Cl|[BCNOPSFI]|[bcnops]")


def library_rows(pieces: Sequence[pa.Table], first_row: int, own: pa.Schema) -> pa.Table:
    """Rows of the library from rows of blocks.

    Args:
        pieces: rows that are kept, in order (see `blocks.MOLECULE_SCHEMA`).
        first_row: number of the first.
        own: the caller's columns in the library, by their names there.
    Returns:
        A table of the library's columns.
    """
    typed = [_with_own(piece, own) for piece in pieces]
    table = pa.concat_tables(typed)
    rows = pa.array(np.arange(first_row, first_row + table.num_rows))
    return table.add_column(0, STANDARD_SCHEMA.field("row"), rows).combine_chunks()


def _with_own(piece: pa.Table, own: pa.Schema) -> pa.Table:
    standard = piece.select(STANDARD_SCHEMA.names[1:])
    for column in own:
        name = OWN + column.name
        values = (
            as_type(piece[name], column.type)
            if name in piece.column_names
            else pa.chunked_array([pa.nulls(piece.num_rows, column.type)])
        )
        standard = standard.append_column(column, values)
    return standard


def histograms(rows: pa.Table) -> dict[str, dict[str, int]]:
    """Counts over rows of the library: `n_heavy`, and `elements` (rows that have the element)."""
    sizes = Counter(map(str, rows["n_heavy"].to_pylist()))
    elements: Counter[str] = Counter()
    columns = (rows[name].to_pylist() for name in ("smiles", "n_heavy", "n_atoms"))
    for smiles, n_heavy, n_atoms in zip(*columns, strict=True):
        elements.update(elements_of(smiles) | ({"H"} if n_atoms > n_heavy else set()))
    return {"n_heavy": dict(sizes), "elements": dict(elements)}


def elements_of(smiles: str) -> set[str]:
    """Elements of the atoms that canonical SMILES writes down."""
    return {(match["bracket"] or match[0]).capitalize() for match in _ATOM.finditer(smiles)}


def count_undefined(rows: pa.Table) -> int:
    """Rows in which the build chose an isomer."""
    return int(pc.sum(pc.greater(rows["n_undefined_stereo"], 0)).as_py() or 0)


def duplicate_rows(
    molecules: pa.Table, duplicates: Records, source_names: Mapping[int, str]
) -> pa.Table:
    """What is written down of a block's rows that are not kept.

    Args:
        molecules: the rows that are not kept, in order.
        duplicates: their records, in the same order (see `dedupe.DUPLICATE`).
        source_names: the inputs by position.
    Returns:
        A table of `DUPLICATES_SCHEMA`.
    """
    columns = {
        "mol_id": molecules["mol_id"],
        "source_id": molecules["source_id"],
        "source": [source_names[k] for k in molecules["source"].to_pylist()],
        "line": molecules["line"],
        "smiles_input": molecules["smiles_input"],
        "kept_source": [source_names[k] for k in duplicates["kept_source"].tolist()],
        "kept_line": duplicates["kept_line"],
    }
    return pa.table(columns, schema=DUPLICATES_SCHEMA)
