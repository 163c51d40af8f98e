"""Where the structure of a molecule lies: an index from `mol_id` to units, made of sorted runs.

    index/<run>.json · index/<run>/entries-<part>.bin · index/<run>/units.bin

A run is immutable and counts once its JSON file is there. Its entries, the first 8 bytes of a
`mol_id` and the number of a unit, are sorted and cut into parts by the leading bits of the key, and
these by further bits into buckets of some 256; a part begins with the places of its buckets, which
a process reads once, and finding a molecule reads one bucket of 3 KB per run. New units become new
runs, and runs are merged before there are many of them. So with n molecules in u units:

    a look-up reads    3 KB per run, of which there are at most 8
    the index has      12 n bytes, in files of at most some 25 MB, and 20 u bytes
    a client holds     20 u bytes (4 MB where 10^8 molecules lie in units of 512)
    a merge reads      what it merges once, in parts that workers do on their own

An entry that is wrong or missing does no harm beyond a molecule that is made twice: whoever finds a
unit here looks into it.
"""

import json
import logging
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from screener.errors import SchemaError, StoreError
from screener.stores.files import Folder, digest
from screener.stores.mol_ids import MolIds

log = logging.getLogger(__name__)

_UNIT_NAME = re.compile("[0-9a-f]{32}")
_INCOMPLETE = "index/incomplete"  # a file that says so
ENTRY = np.dtype([("key", "<u8"), ("unit", "<u4")])
UNIT = np.dtype([("name", "S16"), ("n_rows", "<u4")])
PART_ENTRIES = 1 << 21  # at most about so many in a file
BUCKET_ENTRIES = 256  # about, that are read at once
_START = np.dtype("<u4")  # place of the first entry of a bucket in its part
_SIDES: tuple[Literal["left"], Literal["right"]] = ("left", "right")
_ATTEMPTS = 3  # to read an index that others change

Entries = NDArray[np.void]  # of dtype `ENTRY`
Units = NDArray[np.void]  # of dtype `UNIT`
UnitNames = NDArray[np.bytes_]  # (n,) of 16 bytes


def unit_names_of(names: Sequence[str]) -> UnitNames:
    """Names of units as 16 bytes each, which sort as these do; names of another form, which only
    files of others have, are left out."""
    return np.array(
        [bytes.fromhex(name) for name in names if _UNIT_NAME.fullmatch(name)], dtype="S16"
    )


def names_of(names: UnitNames) -> list[str]:
    """Names of units as text."""
    digits = names.tobytes().hex()
    return [digits[32 * i : 32 * i + 32] for i in range(len(names))]


@dataclass(frozen=True, slots=True)
class Run:
    """What the JSON file of a run says.

    Args:
        name: of the run.
        bits: leading bits of a key that tell its part.
        bucket_bits: bits after these that tell its bucket.
        lengths: entries in each part, 2^bits of them.
        n_units: that its entries point to.
    """

    name: str
    bits: int
    bucket_bits: int
    lengths: tuple[int, ...]
    n_units: int

    @property
    def n_entries(self) -> int:
        """In all parts."""
        return sum(self.lengths)

    def part_path(self, part: int) -> str:
        """The file of a part."""
        return part_path(self.name, part)

    @property
    def n_start_bytes(self) -> int:
        """Bytes at the beginning of a part: where each bucket starts, and where the last ends."""
        return _START.itemsize * ((1 << self.bucket_bits) + 1)

    def part_bytes(self, part: int) -> int:
        """Bytes of the file of a part."""
        return self.n_start_bytes + ENTRY.itemsize * self.lengths[part]

    def bucket_of(self, key: int) -> tuple[int, int]:
        """The part that a key belongs to, and the bucket in it."""
        bucket = key >> (64 - self.bits - self.bucket_bits)
        return bucket >> self.bucket_bits, bucket & ((1 << self.bucket_bits) - 1)


def part_path(run: str, part: int) -> str:
    """The file of a part of a run."""
    return f"index/{run}/entries-{part:05d}.bin"


def keys_of(mol_ids: MolIds) -> NDArray[np.uint64]:
    """The keys of molecules: their first 8 bytes as numbers, which sort as these do.

    Args:
        mol_ids: uint8 (n, 16).
    Returns:
        uint64 (n,).
    """
    return np.ascontiguousarray(mol_ids[:, :8]).view(">u8")[:, 0].astype(np.uint64)


def bits_for(n_entries: int, most: int) -> int:
    """How many bits of a key cut so many entries into pieces of at most `most`, about."""
    return max(0, math.ceil(math.log2(max(1, n_entries) / most)))


@dataclass(frozen=True)
class MoleculeIndex:
    """The index below the folder of a store."""

    folder: Folder

    def runs(self) -> list[Run]:
        """The runs that count.

        Raises:
            StoreError: one was merged into another at this very moment, or is broken.
        """
        names = [name.removesuffix(".json") for name in self.folder.names("index", ".json")]
        return [_read_run(self.folder.url, name) for name in names]

    def repair(self) -> None:
        """Remove runs that have lost a file or part of one; their units are new to the index then.

        Others may add or merge runs meanwhile: files of a run are there before its description,
        and go after it.
        """
        sizes = self.folder.sizes("index")
        for path in [path for path in sizes if path.endswith(".json")]:
            name = path.removeprefix("index/").removesuffix(".json")
            try:
                run = _read_run(self.folder.url, name)
            except SchemaError as error:
                log.warning("%s; it is made again", error)
                self.folder.create_bytes(_INCOMPLETE, b"")
                self.folder.remove(path)
                continue
            except StoreError:  # merged by somebody else meanwhile
                continue
            if lost := self._lost_file(run, sizes):
                log.warning(
                    "%s/%s is lost or was cut off; this part of the index is made again",
                    self.folder.url,
                    lost,
                )
                self.folder.create_bytes(_INCOMPLETE, b"")
                self.remove(run)

    def _lost_file(self, run: Run, sizes: Mapping[str, int]) -> str | None:
        """A file of a run that is lost or was cut off; None where there is none.

        Args:
            run: whose files are looked at.
            sizes: bytes of the files that are there, by path.
        """
        expected = {
            f"index/{run.name}/units.bin": UNIT.itemsize * run.n_units,
            **{run.part_path(part): run.part_bytes(part) for part in range(len(run.lengths))},
        }
        return next((path for path, size in expected.items() if sizes.get(path) != size), None)

    def is_incomplete(self) -> bool:
        """Whether units may be missing that were in the index before."""
        return self.folder.exists(_INCOMPLETE) or not self.folder.names("index", ".json")

    def set_complete(self) -> None:
        """Say that all units are in the index."""
        self.folder.remove(_INCOMPLETE)

    def units(self) -> Units:
        """All units that are in the index, by name, with how many molecules each has."""
        tables = [np.empty(0, dtype=UNIT), *(self.read_units(run) for run in self.runs())]
        units = np.concatenate(tables)
        _, first = np.unique(units["name"], return_index=True)
        return units[first]

    def read_units(self, run: Run) -> Units:
        """Names and sizes of the units of a run."""
        return _read_units(self.folder.url, run.name)

    def add(self, units: Sequence[tuple[str, MolIds]]) -> None:
        """Put units into the index, as a run of their own.

        Args:
            units: names, and of each the identities of its molecules, uint8 (n, 16).
        """
        name = digest({"units": [unit for unit, _ in units]})
        keys = np.concatenate([keys_of(mol_ids) for _, mol_ids in units])
        sizes = np.array([len(mol_ids) for _, mol_ids in units], dtype=np.uint32)
        entries = np.empty(len(keys), dtype=ENTRY)
        entries["key"] = keys
        entries["unit"] = np.repeat(np.arange(len(units), dtype=np.uint32), sizes)
        table = np.empty(len(units), dtype=UNIT)
        table["name"] = unit_names_of([unit for unit, _ in units])
        table["n_rows"] = sizes
        run = Run(name, 0, bits_for(len(keys), BUCKET_ENTRIES), (len(keys),), len(units))
        self.write_part(run, 0, _sorted(entries))
        self.publish(run, table)

    def write_part(self, run: Run, part: int, entries: Entries) -> None:
        """Write a part of a run.

        Args:
            run: whose `bits` and `bucket_bits` are known.
            part: which of its parts.
            entries: of the part, sorted.
        """
        n_buckets = 1 << run.bucket_bits
        bounds = (part * n_buckets + np.arange(1, n_buckets, dtype=np.uint64)) << np.uint64(
            64 - run.bits - run.bucket_bits if n_buckets > 1 else 0
        )
        starts = np.zeros(n_buckets + 1, dtype=_START)
        starts[1:-1] = np.searchsorted(entries["key"], bounds)
        starts[-1] = len(entries)
        self.folder.write_bytes(run.part_path(part), starts.tobytes() + entries.tobytes())

    def publish(self, run: Run, units: Units) -> None:
        """Have a run count whose parts are written.

        Args:
            run: what its JSON file is to say.
            units: what its entries point to.
        """
        self.folder.write_bytes(f"index/{run.name}/units.bin", units.tobytes())
        self.folder.write_json(f"index/{run.name}.json", asdict(run))

    def remove(self, run: Run) -> None:
        """Take a run out of the index, its files last."""
        self.folder.remove(f"index/{run.name}.json")
        self.folder.remove(f"index/{run.name}")

    def merged_part(self, runs: Sequence[Run], bits: int, part: int) -> Entries:
        """A part of what several runs are together.

        Args:
            runs: to be merged; units are numbered on from one to the next.
            bits: leading bits that tell the parts of the whole.
            part: which of these parts.
        Returns:
            its entries, sorted.
        """
        first = part << (64 - bits)
        last = first + ((1 << (64 - bits)) - 1)
        pieces = [np.empty(0, dtype=ENTRY)]
        n_before = 0
        for run in runs:
            for each in range(first >> (64 - run.bits), (last >> (64 - run.bits)) + 1):
                piece = self._between(run, each, first, last)
                piece["unit"] += np.uint32(n_before)
                pieces.append(piece)
            n_before += run.n_units
        return _sorted(np.concatenate(pieces))

    def _between(self, run: Run, part: int, first: int, last: int) -> Entries:
        """The entries of a part of a run with keys from `first` to `last`, both included."""
        shift = 64 - run.bits
        first, last = max(first, part << shift), min(last, (part + 1 << shift) - 1)
        (_, low), (_, high) = run.bucket_of(first), run.bucket_of(last)
        (data,) = self._read_buckets(run, [(part, low, high + 1)])
        start = np.searchsorted(data["key"], np.uint64(first), "left")
        stop = np.searchsorted(data["key"], np.uint64(last), "right")
        return data[start:stop].copy()

    def _read_buckets(self, run: Run, buckets: Sequence[tuple[int, int, int]]) -> list[Entries]:
        """Entries of buckets, read at the same time where the store can do so.

        Args:
            run: that they belong to.
            buckets: part, the first bucket, and one past the last.
        """
        ranges = []
        for part, low, high in buckets:
            starts = _read_starts(self.folder.url, run.part_path(part), run.n_start_bytes)
            start, stop = (run.n_start_bytes + ENTRY.itemsize * int(starts[i]) for i in (low, high))
            ranges.append((run.part_path(part), start, stop))
        data = iter(self.folder.read_ranges([each for each in ranges if each[1] < each[2]]))
        return [_entries(next(data) if start < stop else b"") for _, start, stop in ranges]

    def find(self, mol_ids: MolIds) -> list[tuple[str, ...]]:
        """Units that may hold molecules.

        Args:
            mol_ids: uint8 (n, 16).
        Returns:
            for each of them names of units, sorted; none where it has no structure. Two molecules
            may have one key, so a unit need not have the molecule that it is named for.
        Raises:
            StoreError: the index cannot be read.
        """
        for _ in range(_ATTEMPTS):
            try:
                return self._find(mol_ids)
            except StoreError as error:  # a run was merged meanwhile: what it held is in another
                log.info("the index is read again: %s", error)
        return self._find(mol_ids, without_damaged=True)

    def _find(self, mol_ids: MolIds, *, without_damaged: bool = False) -> list[tuple[str, ...]]:
        keys = keys_of(mol_ids)
        held: list[set[str]] = [set() for _ in keys]
        for run in self.runs():
            try:
                numbers = self._numbers(run, keys)
                units = self.read_units(run) if any(numbers) else np.empty(0, dtype=UNIT)
            except StoreError as error:
                lost = self._lost_file(run, self.folder.sizes(f"index/{run.name}"))
                if not without_damaged or lost is None:
                    raise
                log.warning("molecules may be made twice, part of the index is lost: %s", error)
                continue
            for place, of_key in enumerate(numbers):
                known = [number for number in of_key if number < len(units)]
                held[place].update(names_of(units["name"][known]))
        return [tuple(sorted(names)) for names in held]

    def _numbers(self, run: Run, keys: NDArray[np.uint64]) -> list[list[int]]:
        """Numbers of the run's units that have each key."""
        wanted = [run.bucket_of(key) for key in keys.tolist()]
        buckets = sorted(set(wanted))
        read = self._read_buckets(run, [(part, each, each + 1) for part, each in buckets])
        entries_of = dict(zip(buckets, read, strict=True))
        numbers = []
        for key, bucket in zip(keys, wanted, strict=True):
            entries = entries_of[bucket]
            start, stop = (np.searchsorted(entries["key"], key, side) for side in _SIDES)
            numbers.append(entries["unit"][start:stop].tolist())
        return numbers


def _sorted(entries: Entries) -> Entries:
    return entries[np.lexsort((entries["unit"], entries["key"]))]


def _entries(data: bytes) -> Entries:
    whole = len(data) // ENTRY.itemsize * ENTRY.itemsize  # a file that was cut off
    return np.frombuffer(data[:whole], dtype=ENTRY)


@lru_cache(maxsize=1024)
def _read_run(url: str, name: str) -> Run:
    path = f"index/{name}.json"
    data = Folder(url).read_bytes(path)
    try:
        values = json.loads(data)
        lengths = tuple(int(length) for length in values["lengths"])
        bits, bucket_bits = int(values["bits"]), int(values["bucket_bits"])
        run = Run(name, bits, bucket_bits, lengths, int(values["n_units"]))
        if len(lengths) != 1 << bits or not 0 <= bucket_bits <= 32:
            raise ValueError(f"{len(lengths)} parts by {bits} and {bucket_bits} bits")
        return run
    except (KeyError, TypeError, ValueError) as error:
        raise SchemaError(f"{url}/{path} is broken ({error!r})") from error


@lru_cache(maxsize=1024)  # some 32 KB each
def _read_starts(url: str, path: str, n_bytes: int) -> NDArray[np.uint32]:
    data = Folder(url).read_bytes(path, 0, n_bytes)
    if len(data) != n_bytes:
        raise StoreError(f"{url}/{path} was cut off")
    return np.frombuffer(data, dtype=_START)


@lru_cache(maxsize=16)
def _read_units(url: str, name: str) -> Units:
    return np.frombuffer(Folder(url).read_bytes(f"index/{name}/units.bin"), dtype=UNIT)
