"""Predictions of one stage of a campaign, unit by unit, and the molecules it set aside.

Below the campaign's folder: `predictions/<stage>/<unit>.<content>.parquet`, the same below
`quarantine/` where a unit set molecules aside, and `receipts/<stage>/<unit>.json`, which names the
files that count. `<content>` is the start of the file's checksum: an attempt that comes late writes
the very same file, or another one that no receipt names. `batches/<stage>.parquet` holds the rows
that were chosen for a later stage, written before its first task.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from screener.errors import SchemaError, StoreError
from screener.records import QuarantineRecord, Receipt
from screener.stores.files import Folder, to_parquet
from screener.stores.quarantine import quarantine_table
from screener.stores.receipts import Receipts

KEY_COLUMNS = ("row", "mol_id", "inchikey", "smiles", "source_id")


@dataclass(frozen=True)
class PredictionStore:
    """The predictions of the stage `stage` in the campaign folder `folder`."""

    folder: Folder
    stage: str

    @property
    def receipts(self) -> Receipts:
        """The receipts that say which units are done."""
        return Receipts(self.folder, f"receipts/{self.stage}")

    def write_unit(
        self,
        unit: str,
        predictions: pa.Table,
        quarantine: Sequence[QuarantineRecord],
        *,
        counts: Mapping[str, int],
        seconds: float,
        details: Mapping[str, Any],
    ) -> Receipt:
        """Publish one unit: its files first, its receipt last.

        Args:
            unit: name of the unit.
            predictions: one row per molecule that has predictions, in the unit's order, with at
                least `KEY_COLUMNS`.
            quarantine: the molecules set aside, in the unit's order.
            counts: what became of the unit's rows; `in` counts them all.
            seconds: what the unit took.
            details: further small JSON values for the receipt.
        Returns:
            The receipt that counts, of this attempt or of an earlier one.
        Raises:
            SchemaError: a key column is missing, or rows are lost or doubled.
            StoreError: a file cannot be written.
        """
        missing = [name for name in KEY_COLUMNS if name not in predictions.column_names]
        if missing:
            raise SchemaError(f"predictions of unit {unit} lack the columns {', '.join(missing)}")
        if predictions.num_rows + len(quarantine) != counts["in"]:
            raise SchemaError(
                f"unit {unit} has {counts['in']} rows, {predictions.num_rows} predictions and "
                f"{len(quarantine)} molecules set aside: a row is lost or doubled"
            )
        files = self._write("predictions", unit, predictions)
        if quarantine:
            files |= self._write("quarantine", unit, quarantine_table(quarantine))
        own = Receipt(unit, self.stage, dict(counts), files, seconds, dict(details))
        published = self.receipts.publish(own)
        for path in files.keys() - published.files.keys():  # another attempt was first
            self.folder.remove(path)
        return published

    def _write(self, kind: str, unit: str, table: pa.Table) -> dict[str, str]:
        data = to_parquet(table)
        content = hashlib.sha256(data).hexdigest()
        path = f"{kind}/{self.stage}/{unit}.{content[:8]}.parquet"
        return {path: self.folder.write_bytes(path, data)}

    def read(self, receipt: Receipt, columns: Sequence[str] | None = None) -> pa.Table:
        """Predictions of a unit that is done.

        Raises:
            StoreError: the file is missing or broken.
        """
        return self.folder.read_table(_file(receipt, "predictions"), columns)

    def read_quarantine(self, receipt: Receipt) -> pa.Table | None:
        """The molecules that a unit set aside; None where it set none aside."""
        if not any(path.startswith("quarantine/") for path in receipt.files):
            return None
        return self.folder.read_table(_file(receipt, "quarantine"))

    def quarantine(self) -> Iterator[pa.Table]:
        """The molecules set aside, one table per unit that set any aside."""
        for receipt in self.receipts.all():
            if (table := self.read_quarantine(receipt)) is not None:
                yield table

    def sweep(self, n_named: int) -> int:
        """Remove files that no receipt names, left by attempts that died or came second.

        Only for the owner of the campaign, between stages.

        Args:
            n_named: how many files the receipts name; where no more are there, nothing is read.
        Returns:
            how many were removed.
        """
        stored = [
            f"{kind}/{self.stage}/{name}"
            for kind in ("predictions", "quarantine")
            for name in self.folder.names(f"{kind}/{self.stage}", ".parquet")
        ]
        if len(stored) == n_named:
            return 0
        named = {path for receipt in self.receipts.all() for path in receipt.files}
        left = [path for path in stored if path not in named]
        for path in left:
            self.folder.remove(path)
        return len(left)

    def write_batch(self, rows: pa.Table) -> None:
        """Write down the rows that were chosen for this stage, before its first task.

        Args:
            rows: columns row int64, mol_id string, score float64, best first.
        """
        self.folder.write_table(f"batches/{self.stage}.parquet", rows)

    def read_batch(self) -> pa.Table | None:
        """The rows chosen for this stage, best first; None before they are chosen."""
        path = f"batches/{self.stage}.parquet"
        return self.folder.read_table(path) if self.folder.exists(path) else None


def _file(receipt: Receipt, kind: str) -> str:
    paths = [path for path in receipt.files if path.startswith(f"{kind}/")]
    if len(paths) != 1:
        raise StoreError(f"the receipt of unit {receipt.unit} names {len(paths)} files of {kind}")
    return paths[0]
