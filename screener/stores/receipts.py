"""Receipts: the small files that say which units are done.

A unit's files are published first, its receipt last and exclusively: of several attempts at one
unit the first receipt wins, so a late writer changes nothing. Readers trust receipts, never a
directory listing of results.
"""

import hashlib
import json
from collections.abc import Iterator, Set
from dataclasses import asdict, dataclass

from screener.errors import SchemaError, StoreError
from screener.records import Receipt
from screener.stores.files import Folder, to_json


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
        """Whether the unit is done."""
        return self.folder.exists(f"{self.path}/{unit}.json")

    def read(self, unit: str) -> Receipt:
        """Raises StoreError: the receipt is missing; SchemaError: it is broken."""
        name = f"{self.path}/{unit}.json"
        try:
            return Receipt(**json.loads(self.folder.read_bytes(name)))
        except (TypeError, ValueError) as error:
            raise SchemaError(
                f"{self.folder.url}/{name} is not a receipt ({error}); delete it to redo the unit"
            ) from error

    def done(self) -> set[str]:
        """Names of the units that have a receipt."""
        return {name.removesuffix(".json") for name in self.folder.names(self.path, ".json")}

    def all(self) -> Iterator[Receipt]:
        """Every receipt, in the order of the units' names."""
        return self.unseen(frozenset())

    def unseen(self, seen: Set[str]) -> Iterator[Receipt]:
        """The receipts of units that are not in `seen`, in the order of their names."""
        for unit in sorted(self.done() - seen):
            yield self.read(unit)

    def verify(self, receipt: Receipt) -> None:
        """Raises StoreError: a file that the receipt names is missing or its bytes have changed."""
        for path, expected in receipt.files.items():
            if hashlib.sha256(self.folder.read_bytes(path)).hexdigest() != expected:
                raise StoreError(
                    f"{self.folder.url}/{path} differs from its receipt's checksum; "
                    f"delete {self.path}/{receipt.unit}.json and run again to remake it"
                )
