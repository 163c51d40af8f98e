"""Receipts: the small files that say which units are done.

A unit's files are published first, its receipt last and exclusively: of several attempts at one
unit the first receipt wins, so a late writer changes nothing. Readers trust receipts, never a
directory listing of results.

    receipts/<unit>.json · receipts/joined/<name>.jsonl.gz

So that nobody has to list or open a file per unit, many receipts are compacted into one file, after
which the small ones go. A receipt that is in a compacted file counts before a small one of the same
unit.

A receipt may come from somebody else, and the files that it names are read and removed: the paths
and names in it are checked when it is read.
"""

import gzip
import hashlib
import json
import logging
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from screener.errors import DamagedError, SchemaError, StoreError
from screener.records import Receipt
from screener.stores.files import Folder, to_json
from screener.stores.paths import require_name, require_path

log = logging.getLogger(__name__)

_FILE = "joined/"  # marks names of files among those of units
_COMPACTED = ".jsonl.gz"  # which has a checksum of its own
SUMS = ".sums.json"  # of what `receipt_sums` keeps beside such a file


@dataclass(frozen=True)
class Receipts:
    """The receipts below `path` of a store; their `files` are relative to `folder`."""

    folder: Folder
    path: str = "receipts"

    def publish(self, receipt: Receipt) -> Receipt:
        """Write the receipt unless the unit has one; returns the receipt that counts."""
        name = f"{self.path}/{receipt.unit}.json"
        if self.folder.create_bytes(name, to_json(asdict(receipt))):
            return receipt
        return self.read(receipt.unit)

    def has(self, unit: str) -> bool:
        """Whether the unit is done and its receipt is not compacted yet."""
        return self.folder.exists(f"{self.path}/{unit}.json")

    def read(self, unit: str) -> Receipt:
        """A receipt that is not compacted yet.

        Raises:
            StoreError: the receipt is missing; SchemaError: it is broken.
        """
        name = f"{self.path}/{unit}.json"
        try:
            receipt = receipt_of(json.loads(self.folder.read_bytes(name)))
            if receipt.unit != unit:
                raise ValueError(f"it is that of unit {receipt.unit!r}")
            return receipt
        except (TypeError, ValueError) as error:
            raise SchemaError(
                f"{self.folder.url}/{name} is not a receipt ({error}); delete it to redo the unit"
            ) from error

    def content(self, receipt: Receipt, path: str) -> bytes:
        """A file that a receipt names.

        Raises:
            DamagedError: it is missing, or its bytes have changed.
        """
        where = f"{self.folder.url}/{path}"
        try:
            data = self.folder.read_bytes(path)
        except StoreError as error:
            if self.folder.exists(path):
                raise
            raise DamagedError(f"{where} is lost", (receipt.unit,)) from error
        if hashlib.sha256(data).hexdigest() != receipt.files[path]:
            raise DamagedError(
                f"{where} was cut off or changed: it differs from its receipt's checksum",
                (receipt.unit,),
            )
        return data

    def invalidate(self, unit: str) -> None:
        """Have a unit done again; nothing happens where it has no receipt of its own."""
        self.folder.remove(f"{self.path}/{unit}.json")

    def done(self) -> set[str]:
        """Names of the units that have a receipt."""
        small = set(self._small())  # before the compacted ones: what goes meanwhile is in those
        for name in self.compacted():
            small.update(self._units_in(name))
        return small

    def all(
        self, *, invalidate_broken: bool = False, seen: set[str] | None = None
    ) -> Iterator[Receipt]:
        """Every receipt: those that are compacted, then the small ones in the order of their names.

        Others may compact receipts meanwhile: each is met all the same.

        Args:
            invalidate_broken: whether units with a broken receipt are to be done again; only for
                the owner of the store.
            seen: for who asks again and again: what was told before is not told, nor read, again.
                Grows by the names of units and of compacted files.
        Raises:
            SchemaError: a receipt is broken.
        """
        known = set() if seen is None else seen
        read = {name for name in known if name.startswith(_FILE)}
        waiting = set(self._small()) - known  # before the compacted ones: what goes is in those
        while True:
            for name in [each for each in self.compacted() if _FILE + each not in read]:
                read.add(_FILE + name)
                for receipt in self._whole(name, invalidate_broken):
                    waiting.discard(receipt.unit)
                    if receipt.unit not in known:
                        yield receipt
                    if seen is not None:
                        seen.add(receipt.unit)
            for unit in sorted(waiting):
                try:
                    receipt = self.read(unit)
                except SchemaError as error:
                    if not invalidate_broken:
                        raise
                    log.warning("unit %s is done again: %s", unit, error)
                    self.invalidate(unit)
                except StoreError:
                    if (
                        not {_FILE + each for each in self.compacted()} - read
                    ):  # lost, not compacted now
                        raise
                    break
                else:
                    yield receipt
                    known.add(unit)  # whoever compacts it now does not make it another one
                waiting.discard(unit)
            if not waiting:
                break
        if seen is not None:
            seen.update(read)

    def _whole(self, name: str, invalidate_broken: bool) -> list[Receipt]:
        try:
            return list(self.read_compacted(name))
        except StoreError as error:
            if not invalidate_broken:
                raise
            log.warning("units are done again: %s", error)
            self.invalidate_compacted(name)
            return []

    def compact(self, name: str, receipts: Sequence[Receipt]) -> None:
        """Put receipts into one file and remove the small ones.

        Args:
            name: of the file; the same receipts always go into a file of the same name.
            receipts: as the compacted file is to tell them; a file that is there stays as it is.
        """
        lines = [json.dumps(asdict(receipt), sort_keys=True) + "\n" for receipt in receipts]
        data = gzip.compress("".join(lines).encode(), compresslevel=6, mtime=0)
        self.folder.create_bytes(self._compacted(name), data)
        for receipt in receipts:
            self.invalidate(receipt.unit)

    def sweep(self) -> int:
        """Remove small receipts of units that are compacted; returns how many."""
        late: set[str] = set()
        if small := set(self._small()):
            for name in self.compacted():
                late |= small.intersection(self._units_in(name))
        for unit in late:
            self.invalidate(unit)
        return len(late)

    def compacted(self) -> list[str]:
        """Names of the files in which receipts are compacted, sorted."""
        names = self.folder.names(f"{self.path}/joined", _COMPACTED)
        return [name.removesuffix(_COMPACTED) for name in names]

    def is_compacted(self, name: str) -> bool:
        """Whether there is such a file."""
        return self.folder.exists(self._compacted(name))

    def read_compacted(self, name: str) -> Iterator[Receipt]:
        """The receipts in one such file, in its order.

        Raises:
            StoreError: the file is missing; SchemaError: it is broken.
        """
        path = self._compacted(name)
        try:
            # its checksum is seen to before anything is told
            lines = gzip.decompress(self.folder.read_bytes(path)).decode().splitlines()
            receipts = [receipt_of(json.loads(line)) for line in lines]
        except (OSError, EOFError, zlib.error, TypeError, ValueError) as error:
            raise SchemaError(
                f"{self.folder.url}/{path} is broken ({error}); delete it to redo its units"
            ) from error
        yield from receipts

    def invalidate_compacted(self, name: str) -> None:
        """Have all units of one such file done again."""
        self.folder.remove(self.beside(name))
        self.folder.remove(self._compacted(name))

    def beside(self, name: str) -> str:
        """The path of the sums of one such file, which may be missing."""
        return f"{self.path}/joined/{name}{SUMS}"

    @staticmethod
    def tell(name: str, seen: set[str]) -> None:
        """Have one such file count as told, together with its units, in the `seen` of `all`."""
        seen.add(_FILE + name)

    @staticmethod
    def is_told(name: str, seen: set[str]) -> bool:
        """Whether one such file was told."""
        return _FILE + name in seen

    def _compacted(self, name: str) -> str:
        return f"{self.path}/joined/{name}{_COMPACTED}"

    def _units_in(self, name: str) -> list[str]:
        return [receipt.unit for receipt in self.read_compacted(name)]

    def _small(self) -> list[str]:
        return [name.removesuffix(".json") for name in self.folder.names(self.path, ".json")]


def receipt_of(values: Any) -> Receipt:
    """The receipt that a file tells.

    Raises:
        TypeError, ValueError: it is none, or names what cannot lie in the store's folder.
    """
    receipt = Receipt(**values)
    require_name(receipt.unit)
    if not (isinstance(receipt.files, dict) and isinstance(receipt.details, dict)):
        raise TypeError("files and details are no tables")
    for path in receipt.files:
        require_path(path)
    for name in receipt.details.get("structure_units", ()):
        require_name(name)
    return receipt
