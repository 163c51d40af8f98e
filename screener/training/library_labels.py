"""Labels for the molecules of a library: what a level says at geometries made from their drawings.

Every molecule is kept as soon as it is done, so what was interrupted goes on, and a library with
more molecules costs only those.
"""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from screener.chemistry.structures import StructureSettings
from screener.errors import MoleculeError
from screener.records import QuarantineRecord
from screener.stores.files import Folder
from screener.stores.library import LibraryStore
from screener.stores.quarantine import quarantine_table
from screener.structures.recipe import Item, Recipe
from screener.structures.site import Site, structures

FILES = ("labels.parquet", "quarantine.parquet", "settings.json")
_KEYS = ("mol_id", "source_id", "smiles")
_FIXED = pa.schema(
    [
        *((name, pa.string()) for name in _KEYS),
        ("charge", pa.int8()),
        ("atomic_numbers", pa.list_(pa.uint8())),
        ("positions", pa.list_(pa.float32())),  # angstrom, x1, y1, z1, x2 and so on
    ]
)


@dataclass(frozen=True, slots=True, eq=False)
class LibraryLabels:
    """What became of the molecules of a library.

    Args:
        table: of `_FIXED` and a column of float64 for each value, a row for each molecule that has
            labels, in the order of the library.
        quarantine: the others, with their reasons.
        settings: how they were made.
    """

    table: pa.Table
    quarantine: tuple[QuarantineRecord, ...]
    settings: StructureSettings

    def write(self, folder: Folder) -> None:
        """Write `FILES`: the labels, what was set aside, and how they were made.

        Raises:
            StoreError: the folder cannot be written.
        """
        folder.require_writable()
        folder.write_table(FILES[0], self.table)
        folder.write_table(FILES[1], quarantine_table(self.quarantine))
        folder.write_json(FILES[2], Recipe.from_drawing(self.settings).about)


def library_labels(
    library: LibraryStore, settings: StructureSettings, site: Site, root: Folder | None = None
) -> LibraryLabels:
    """Make labels of all molecules of a library.

    Args:
        library: that is labelled.
        settings: the level of the geometries, and the levels whose values are the labels.
        site: where the work is done.
        root: the folder of all structures; by default `$SCREENER_HOME/structures`.
    Returns:
        labels with geometries, and what has none.
    Raises:
        StoreError: the library cannot be read, or structures cannot be written.
    """
    rows = [row for block in library.blocks(_KEYS) for row in block.to_pylist()]
    items = [Item(row["mol_id"], row["smiles"]) for row in rows]
    made = structures(items, Recipe.from_drawing(settings), site, root)
    values = [name for level, _ in settings.steps for name in level.yields]
    labelled = []
    quarantine = []
    for number, (row, outcome) in enumerate(zip(rows, made, strict=True)):
        if isinstance(outcome, MoleculeError):
            record = QuarantineRecord.from_error(
                outcome, "structures", row=number, mol_id=row["mol_id"]
            )
            quarantine.append(replace(record, source_id=row["source_id"]))
            continue
        labelled.append(
            {
                **row,
                "charge": outcome.charge,
                "atomic_numbers": outcome.atomic_numbers,
                "positions": np.ravel(outcome.positions),
                **{name: float(outcome.values[name]) for name in values},
            }
        )
    schema = pa.schema([*_FIXED, *((name, pa.float64()) for name in values)])
    table = pa.Table.from_pylist(labelled, schema=schema)
    return LibraryLabels(table, tuple(quarantine), settings)
