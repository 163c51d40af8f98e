"""A table of the user's own, kept with a campaign and joined to its predictions by molecule.

    joined/<digest>.parquet

Written once, before anything reads it; named by the digest of its content.
"""

from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from screener.stores.files import Folder


@dataclass(frozen=True, slots=True)
class JoinedTable:
    """A joined table of the campaign in `folder`.

    Args:
        folder: of the campaign.
        digest: of the table's content.
        key: `inchikey` or `mol_id`, the column of predictions and of the table that has to agree.
    """

    folder: Folder
    digest: str
    key: str

    @property
    def columns(self) -> list[str]:
        """What it appends to a table."""
        return [name for name in _read(self.folder, self.digest).column_names if name != self.key]

    def append(self, table: pa.Table) -> pa.Table:
        """The table with the joined columns, null where the molecule is not in them.

        Args:
            table: (n,) rows with the key's column.
        """
        joined = _read(self.folder, self.digest)
        place = pc.index_in(table[self.key], value_set=joined[self.key].combine_chunks())
        for name in self.columns:
            table = table.append_column(name, joined[name].combine_chunks().take(place))
        return table


def with_joined(table: pa.Table, joined: JoinedTable | None) -> pa.Table:
    """The table with the joined columns, where there are any."""
    return table if joined is None else joined.append(table)


def write_joined(folder: Folder, digest: str, table: pa.Table) -> None:
    """Keep a table with a campaign.

    Args:
        folder: of the campaign.
        digest: names the table.
        table: one row per molecule, with the key that it is joined by.
    Raises:
        StoreError: it cannot be written.
    """
    folder.write_table(_path(digest), table)


def is_kept(folder: Folder, digest: str) -> bool:
    """Whether a campaign has the table."""
    return folder.exists(_path(digest))


@lru_cache(maxsize=4)
def _read(folder: Folder, digest: str) -> pa.Table:
    return folder.read_table(_path(digest))


def _path(digest: str) -> str:
    return f"joined/{digest}.parquet"
