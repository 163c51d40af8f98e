"""Some columns of predictions that are stored, by reading their byte ranges and no others.

For passes over a whole stage that need a few numbers of each row. The checksum of a file is over
all of its bytes, so here those of its pages are checked instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from screener.errors import DamagedError, StoreError
from screener.registry.columns import names_of_now
from screener.stores.files import Folder
from screener.stores.joined import JoinedTable
from screener.stores.row_groups import RowGroups, open_row_groups


@dataclass(frozen=True, slots=True)
class StoredColumns:
    """Predictions of one unit, or of all units of a segment; made by `open_columns`.

    Args:
        file: that holds them, its footer read.
        units: names of the units.
        stored_names: of the file's columns, by their names of now.
        joined: a table of the user's, whose columns are appended.
    """

    file: RowGroups
    units: tuple[str, ...]
    stored_names: dict[str, str]
    joined: JoinedTable | None

    @property
    def names(self) -> list[str]:
        """All columns, those of the user's table last."""
        return [*self.stored_names, *(self.joined.columns if self.joined else [])]

    def read(self, names: Sequence[str]) -> pa.Table:
        """Some columns of all rows.

        Args:
            names: of columns that are there.
        Returns:
            (n,) rows, the columns in the order asked for.
        Raises:
            DamagedError: the file is missing or broken.
        """
        wanted = [name for name in names if name in self.stored_names]
        is_joined = self.joined is not None and len(wanted) < len(names)
        if self.joined is not None and is_joined:
            wanted = list(dict.fromkeys([*wanted, self.joined.key]))
        groups = range(self.file.metadata.num_row_groups)
        try:
            table = self.file.read(groups, [self.stored_names[name] for name in wanted])
        except (pa.ArrowException, OSError, StoreError) as error:
            raise _damaged(self.file.folder, self.file.path, self.units, error) from error
        now = {stored: name for name, stored in self.stored_names.items()}
        table = table.rename_columns([now[stored] for stored in table.column_names])
        if self.joined is not None and is_joined:
            table = self.joined.append(table)
        return table.select(list(names))


def open_columns(
    folder: Folder, path: str, units: Sequence[str], joined: JoinedTable | None
) -> StoredColumns:
    """Read the footer of a file of predictions.

    Args:
        folder: of the campaign.
        path: of the file.
        units: names of the units that it holds.
        joined: a table of the user's.
    Returns:
        what can be read of it.
    Raises:
        DamagedError: it is missing or broken.
    """
    try:
        file = open_row_groups(folder, path)
    except (pa.ArrowException, OSError, StoreError) as error:
        raise _damaged(folder, path, units, error) from error
    stored = file.metadata.schema.to_arrow_schema().names
    now = names_of_now(stored)
    return StoredColumns(file, tuple(units), {now.get(name, name): name for name in stored}, joined)


def _damaged(folder: Folder, path: str, units: Sequence[str], error: Exception) -> Exception:
    """What to raise: a file that is there and cannot be reached now is not damaged."""
    if isinstance(error, StoreError) and folder.exists(path):
        return error
    return DamagedError(f"{folder.url}/{path} is lost or broken: {error}", tuple(units))
