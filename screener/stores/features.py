"""What the surrogate sees of molecules, kept so that it is computed once: one file per unit.

    features/<digest>/<start of the unit's name>/<unit>.parquet

No folder has more than some hundred files. Features of earlier releases lie in one folder,
`features/<digest>/<unit>.parquet`, and are read there. A file is written whole and carries
checksums of its own. It has no receipt: what is missing or damaged is made again by whoever needs
it.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screener.stores.files import Folder, from_parquet, to_parquet

_START = 2  # letters of a name, a digest, that name its folder


@dataclass(frozen=True)
class FeatureStore:
    """Features below a folder: of each unit the entries that are not zero, molecule by molecule."""

    folder: Folder

    def write(
        self,
        unit: str,
        offsets: NDArray[np.int64],
        columns: NDArray[np.uint16],
        counts: NDArray[np.uint8],
    ) -> None:
        """Write a unit.

        Args:
            unit: its name.
            offsets: int64 (n + 1,), where each molecule's entries begin, the total at the end.
            columns: uint16 (n_entries,).
            counts: uint8 (n_entries,).
        Raises:
            StoreError: the file cannot be written.
        """
        ends = pa.array(offsets, pa.int32())
        table = pa.table(
            {
                "columns": pa.ListArray.from_arrays(ends, pa.array(columns, pa.uint16())),
                "counts": pa.ListArray.from_arrays(ends, pa.array(counts, pa.uint8())),
            }
        )
        self.folder.write_bytes(_path(unit), to_parquet(table))

    def read(
        self, unit: str
    ) -> tuple[NDArray[np.int64], NDArray[np.uint16], NDArray[np.uint8]] | None:
        """Offsets, columns and counts of a unit; None where it is missing or damaged."""
        paths = [path for path in (_path(unit), f"{unit}.parquet") if self.folder.exists(path)]
        if not paths:
            return None
        path = paths[0]
        try:
            table = from_parquet(self.folder.read_bytes(path), ["columns", "counts"])
            lists = [table[name].combine_chunks() for name in ("columns", "counts")]
        except (pa.ArrowException, OSError, KeyError):
            return None
        offsets = lists[0].offsets.to_numpy().astype(np.int64)
        columns, counts = (each.flatten().to_numpy() for each in lists)
        return offsets, columns.astype(np.uint16), counts.astype(np.uint8)


def _path(unit: str) -> str:
    return f"{unit[:_START]}/{unit}.parquet"
