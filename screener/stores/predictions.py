"""Predictions of one stage of a campaign, unit by unit, and the molecules it set aside.

Below the campaign's folder: `predictions/<stage>/<unit>.<content>.parquet`, the same below
`quarantine/` where a unit set molecules aside, and `receipts/<stage>/<unit>.json`, which names the
files that count. `<content>` is the start of the file's checksum: an attempt that comes late writes
the very same file, or another one that no receipt names. Once all units of a segment of the plan
are done, their files are compacted: `predictions/<stage>/<segment>.<content>.parquet`, and their
receipts in `receipts/<stage>/joined/<segment>.jsonl.gz`. `batches/<stage>.parquet` holds the rows
that were chosen for a later stage, written before its first task, and
`batches/<stage>/<number>.parquet` those that were chosen while the stage ran.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from screener.errors import DamagedError, SchemaError, StoreError
from screener.records import QuarantineRecord, Receipt
from screener.registry.columns import names_of_now
from screener.stores.files import Folder, from_parquet, to_parquet
from screener.stores.joined import JoinedTable, with_joined
from screener.stores.quarantine import complete, quarantine_table
from screener.stores.receipt_sums import write_sums
from screener.stores.receipts import Receipts
from screener.stores.stored_columns import StoredColumns, open_columns

log = logging.getLogger(__name__)

KINDS = ("predictions", "quarantine")
KEY_COLUMNS = ("row", "mol_id", "inchikey", "smiles", "source_id")
SIZE_COLUMNS = ("n_heavy", "n_atoms", "charge", "n_undefined_stereo")


@dataclass(frozen=True)
class PredictionStore:
    """The predictions of the stage `stage` in the campaign folder `folder`.

    Args:
        folder: of the campaign.
        stage: its name.
        joined: a table of the user's, whose columns are appended to what is read.
    """

    folder: Folder
    stage: str
    joined: JoinedTable | None = None

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

    def _write(self, kind: str, name: str, table: pa.Table) -> dict[str, str]:
        data = to_parquet(table)
        content = hashlib.sha256(data).hexdigest()
        path = f"{kind}/{self.stage}/{name}.{content[:8]}.parquet"
        return {path: self.folder.write_bytes(path, data)}

    def compact(self, segment: str, units: Sequence[str]) -> tuple[str, ...]:
        """Make one file of those of a segment of the plan, all of whose units are done.

        Running it twice, or at once with another attempt, is harmless.

        Args:
            segment: its name.
            units: its units, in the order of the plan.
        Returns:
            The units that have to be done again first, since their files are damaged; their
            receipts are gone, and nothing is compacted.
        Raises:
            StoreError: a unit is not done, or a file cannot be written.
        """
        if self.receipts.is_compacted(segment):
            write_sums(self.receipts, segment)
            self._remove_compacted(segment)
            return ()
        receipts: list[Receipt] = []
        damaged: list[str] = []
        parts: dict[str, list[pa.Table]] = {kind: [] for kind in KINDS}
        n_rows: Counter[str] = Counter()
        for unit in units:
            try:
                receipt = self.receipts.read(unit)
                self._require_own(receipt)
                tables = {kind: self._read(receipt, kind) for kind in KINDS}
            except (DamagedError, SchemaError) as error:
                log.warning("unit %s is done again: %s", unit, error)
                self.receipts.invalidate(unit)
                damaged.append(unit)
                continue
            except StoreError:
                if self.receipts.is_compacted(segment):  # by another attempt, just now
                    return ()
                raise
            places = {}
            for kind, table in tables.items():
                start = n_rows[kind]
                if table is not None:
                    parts[kind].append(table)
                    n_rows[kind] += table.num_rows
                places[kind] = [start, n_rows[kind]]
            receipts.append(replace(receipt, details=receipt.details | {"places": places}))
        if damaged:
            return tuple(damaged)
        files: dict[str, str] = {}
        for kind, of_kind in parts.items():
            if of_kind:
                files |= self._write(kind, segment, _together(of_kind))
        self.receipts.compact(segment, [replace(receipt, files=files) for receipt in receipts])
        write_sums(self.receipts, segment)
        for path in (path for receipt in receipts for path in receipt.files):
            self.folder.remove(path)
        return ()

    def _remove_compacted(self, segment: str) -> None:
        """Remove what an attempt at compacting that died in between left."""
        for receipt in self.receipts.read_compacted(segment):
            if self.receipts.has(receipt.unit):
                small = self.receipts.read(receipt.unit)
                self._require_own(small)
                for path in small.files:
                    self.folder.remove(path)
                self.receipts.invalidate(receipt.unit)

    def _require_own(self, receipt: Receipt) -> None:
        """Raises SchemaError: the receipt names files that are not of this stage; those that it
        names are removed once they are compacted."""
        own = tuple(f"{kind}/{self.stage}/" for kind in KINDS)
        for path in receipt.files:
            if not path.startswith(own):
                raise SchemaError(
                    f"{self.folder.url}/{self.receipts.path}/{receipt.unit}.json names {path}, no "
                    f"file of the stage {self.stage}; delete it to redo the unit"
                )

    def invalidate(self, error: DamagedError) -> None:
        """Have the units of a damaged file done again; only for the owner of the campaign."""
        for name in self.receipts.compacted():
            if any(receipt.unit in error.units for receipt in self.receipts.read_compacted(name)):
                self.receipts.invalidate_compacted(name)
        for unit in error.units:
            self.receipts.invalidate(unit)

    def stored(self, units: Iterable[tuple[str, str]]) -> Iterator["StoredUnit"]:
        """Units that are done, with what is stored of them, in the order asked for.

        Args:
            units: of each its segment and its name; units of a segment should follow each other.
        Raises:
            DamagedError: a file is missing or broken; StoreError: a unit is not done.
        """
        joined = set(self.receipts.compacted())
        held, of_segment = None, {}
        for segment, unit in units:
            if segment != held and segment in joined:
                held, of_segment = segment, self._read_compacted(segment)
            if segment in joined:
                yield of_segment[unit]
            else:
                receipt = self.receipts.read(unit)
                yield StoredUnit(receipt, self.read(receipt), self.read_quarantine(receipt))

    def _read_compacted(self, segment: str) -> dict[str, "StoredUnit"]:
        receipts = list(self.receipts.read_compacted(segment))
        tables = {kind: self._whole(receipts[0], kind) for kind in KINDS}
        if (whole := tables["predictions"]) is not None:
            tables["predictions"] = with_joined(whole, self.joined)
        return {
            receipt.unit: StoredUnit(
                receipt,
                _slice(tables["predictions"], receipt, "predictions"),
                _slice(tables["quarantine"], receipt, "quarantine"),
            )
            for receipt in receipts
        }

    def columns(self, segment: str, units: Iterable[str]) -> Iterator[StoredColumns]:
        """Predictions of a segment of the plan, of which some columns are to be read.

        Args:
            segment: its name.
            units: its units; not looked at where the segment is compacted.
        Returns:
            one entry for the segment, or one for each of its units.
        Raises:
            DamagedError: a file is missing or broken; StoreError: a unit is not done.
        """
        if self.receipts.is_compacted(segment):
            together = list(self.receipts.read_compacted(segment))
            names = [receipt.unit for receipt in together]
            yield open_columns(self.folder, _predictions_path(together[0]), names, self.joined)
            return
        for unit in units:
            path = _predictions_path(self.receipts.read(unit))
            yield open_columns(self.folder, path, [unit], self.joined)

    def read(self, receipt: Receipt, columns: Sequence[str] | None = None) -> pa.Table:
        """Predictions of a unit that is done.

        Raises:
            DamagedError: the file is missing or its bytes have changed.
        """
        table = self._read(receipt, "predictions")
        assert table is not None
        table = with_joined(table, self.joined)
        return table if columns is None else table.select(list(columns))

    def read_quarantine(self, receipt: Receipt) -> pa.Table | None:
        """The molecules that a unit set aside; None where it set none aside."""
        return self._read(receipt, "quarantine")

    def _read(self, receipt: Receipt, kind: str) -> pa.Table | None:
        table = self._whole(receipt, kind)
        return table if "places" not in receipt.details else _slice(table, receipt, kind)

    def _whole(self, receipt: Receipt, kind: str) -> pa.Table | None:
        """The file that a receipt names; None where it names none of this kind."""
        path = _path(receipt, kind)
        if path is None:
            return None
        return with_names_of_now(from_parquet(self.receipts.content(receipt, path)))

    def quarantine(self) -> Iterator[pa.Table]:
        """The molecules set aside, one table per unit that set any aside."""
        last: tuple[dict[str, str], pa.Table | None] = ({}, None)
        for receipt in self.receipts.all():
            if receipt.files != last[0]:  # once where units share a file
                last = (receipt.files, self._whole(receipt, "quarantine"))
                if last[1] is not None:
                    yield last[1]

    def quarantine_file(self, receipt: Receipt) -> pa.Table | None:
        """The file of molecules set aside that a receipt names, which units may share; None where
        it names none."""
        table = self._whole(receipt, "quarantine")
        return None if table is None else complete(table)

    def sweep(self) -> int:
        """Remove what attempts that died or came second left: files that no receipt names, and
        receipts of units that are compacted.

        Only for the owner of the campaign, between stages.

        Returns:
            how many files were removed.
        """
        named = {path for receipt in self.receipts.all() for path in receipt.files}
        left = [
            path
            for kind in KINDS
            for name in self.folder.names(f"{kind}/{self.stage}", ".parquet")
            if (path := f"{kind}/{self.stage}/{name}") not in named
        ]
        for path in left:
            self.folder.remove(path)
        return len(left) + self.receipts.sweep()

    def write_batch(self, rows: pa.Table, number: int | None = None) -> None:
        """Write down the rows that were chosen for this stage, before their first task.

        Args:
            rows: column row int64, best first, and what is to be known of the choice.
            number: of the batch, from 0; None where all rows are chosen at once.
        """
        name = self.stage if number is None else f"{self.stage}/{number:05d}"
        self.folder.write_table(f"batches/{name}.parquet", rows)

    def read_batch(self) -> pa.Table | None:
        """The rows chosen for this stage, best first; None before they are chosen."""
        path = f"batches/{self.stage}.parquet"
        return self.folder.read_table(path) if self.folder.exists(path) else None

    def read_batches(self) -> list[pa.Table]:
        """The numbered batches, in order."""
        path = f"batches/{self.stage}"
        names = sorted(self.folder.names(path, ".parquet"))
        return [self.folder.read_table(f"{path}/{name}") for name in names]


def with_names_of_now(table: pa.Table) -> pa.Table:
    """The table, its columns by their names of now where they had others when it was stored."""
    now = names_of_now(table.column_names)
    return table.rename_columns([now.get(name, name) for name in table.column_names])


@dataclass(frozen=True, slots=True)
class StoredUnit:
    """A unit that is done, and what is stored of it."""

    receipt: Receipt
    predictions: pa.Table
    quarantine: pa.Table | None


def _path(receipt: Receipt, kind: str) -> str | None:
    """The file of this kind that a receipt names; None where there is no quarantine."""
    paths = [path for path in receipt.files if path.startswith(f"{kind}/")]
    if not paths and kind == "quarantine":
        return None
    if len(paths) != 1:
        raise SchemaError(f"the receipt of {receipt.unit} names {len(paths)} files of {kind}")
    return paths[0]


def _predictions_path(receipt: Receipt) -> str:
    path = _path(receipt, "predictions")
    assert path is not None
    return path


def _together(tables: Sequence[pa.Table]) -> pa.Table:
    # a column without a value in a whole unit may have come back without a type
    return pa.concat_tables(tables, promote_options="default")


def _slice(table: pa.Table | None, receipt: Receipt, kind: str) -> pa.Table | None:
    """A unit's rows in a compacted file; None where it set nothing aside."""
    start, stop = receipt.details["places"][kind]
    if table is None or (kind == "quarantine" and start == stop):
        return None
    return table.slice(start, stop - start)
