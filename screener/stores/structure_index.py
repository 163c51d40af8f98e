"""Where the structure of a molecule lies: an index from `mol_id` to units, made of sorted runs.

    index/<run>.json · index/<run>/entries-<part>.bin · index/<run>/units.bin

A run is immutable and counts once its JSON file is there. Its entries, the first 8 bytes of a
`mol_id` and the number of a unit, are sorted and cut into parts by the leading bits of the key; as
these are as good as random, the place of a key in its part is known to within the root of the
part's length, and finding a molecule reads one block of 48 KB per run, or two. New units become
new runs, and runs are merged before there are many of them. So with n molecules in u units:

    a look-up reads    1 to 2 blocks per run, of which there are at most 8
    the index has      12 n bytes, in files of at most 25 MB, and 20 u bytes
    a client holds     20 u bytes (4 MB where 10^8 molecules lie in units of 512)
    a merge reads      what it merges once, in parts that workers do on their own

An entry that is wrong or missing does no harm beyond a molecule that is made twice: whoever finds a
unit here looks into it.
"""

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from screener.errors import SchemaError, StoreError
from screener.stores.files import Folder, digest
from screener.stores.structure_units import MolIds

log = logging.getLogger(__name__)

_UNIT_NAME = re.compile("[0-9a-f]{32}")
_INCOMPLETE = "index/incomplete"  # a file that says so
ENTRY = np.dtype([("key", "<u8"), ("unit", "<u4")])
UNIT = np.dtype([("name", "S16"), ("n_rows", "<u4")])
PART_ENTRIES = 1 << 21  # at most about so many in a file
BLOCK = 4096  # entries that are read at once
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
        lengths: entries in each part, 2^bits of them.
        n_units: that its entries point to.
    """

    name: str
    bits: int
    lengths: tuple[int, ...]
    n_units: int

    @property
    def n_entries(self) -> int:
        """In all parts."""
        return sum(self.lengths)

    def part_path(self, part: int) -> str:
        """The file of a part."""
        return part_path(self.name, part)


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


def part_of(keys: NDArray[np.uint64], bits: int) -> NDArray[np.uint64]:
    """The parts that keys belong to; uint64 (n,).

    Args:
        keys: uint64 (n,).
        bits: of the run.
    """
    return keys >> np.uint64(64 - bits) if bits else np.zeros_like(keys)


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
            **{run.part_path(part): ENTRY.itemsize * n for part, n in enumerate(run.lengths)},
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
        self.folder.write_bytes(part_path(name, 0), _sorted(entries).tobytes())
        self.publish(Run(name, 0, (len(entries),), len(units)), table)

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
        blocks = _Blocks(self.folder, run)
        start = blocks.bound(part, first, "left")
        stop = blocks.bound(part, last, "right")
        return blocks.read(part, start, stop)

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
        blocks = _Blocks(self.folder, run)
        parts = part_of(keys, run.bits).tolist()
        wanted = list(zip(parts, keys.tolist(), strict=True))
        blocks.fetch({(part, blocks.guess(part, key)) for part, key in wanted})
        return [blocks.units_of(part, key) for part, key in wanted]


class _Blocks:
    """Blocks of the parts of a run, read as they are needed."""

    def __init__(self, folder: Folder, run: Run) -> None:
        self._folder = folder
        self._run = run
        self._read: dict[tuple[int, int], Entries] = {}

    def guess(self, part: int, key: int) -> int:
        """The block that probably has a key."""
        length, bits = self._run.lengths[part], self._run.bits
        within = (key - (part << (64 - bits))) * length >> (64 - bits)
        return max(0, min(within, length - 1)) // BLOCK

    def fetch(self, blocks: set[tuple[int, int]]) -> None:
        """Read blocks, given by part and number, at the same time where the store can do so."""
        missing = sorted(blocks - self._read.keys())
        sized = [(part, number) for part, number in missing if self._run.lengths[part]]
        self._read |= {each: np.empty(0, dtype=ENTRY) for each in missing}
        ranges = [
            (
                self._run.part_path(part),
                ENTRY.itemsize * BLOCK * number,
                ENTRY.itemsize * min(BLOCK * (number + 1), self._run.lengths[part]),
            )
            for part, number in sized
        ]
        for each, data in zip(sized, self._folder.read_ranges(ranges), strict=True):
            self._read[each] = _entries(data)

    def _block(self, part: int, number: int) -> Entries:
        if (part, number) not in self._read:
            self.fetch({(part, number)})
        return self._read[part, number]

    def read(self, part: int, start: int, stop: int) -> Entries:
        """Entries `start` to `stop` of a part."""
        if start >= stop:
            return np.empty(0, dtype=ENTRY)
        size = ENTRY.itemsize
        path = self._run.part_path(part)
        return _entries(self._folder.read_bytes(path, start * size, stop * size)).copy()

    def bound(self, part: int, key: int, side: Any) -> int:
        """Where a key would be inserted in a part, as `np.searchsorted` says it."""
        number = self.guess(part, key)
        last = max(0, self._run.lengths[part] - 1) // BLOCK
        place = int(np.searchsorted(self._block(part, number)["key"], np.uint64(key), side))
        while place == 0 and number > 0:
            number -= 1
            place = int(np.searchsorted(self._block(part, number)["key"], np.uint64(key), side))
        while place == len(self._block(part, number)) and number < last:
            number += 1
            place = int(np.searchsorted(self._block(part, number)["key"], np.uint64(key), side))
        return number * BLOCK + place

    def units_of(self, part: int, key: int) -> list[int]:
        """Numbers of the units that have a key."""
        start = self.bound(part, key, "left")
        units: list[int] = []
        for place in range(start, self._run.lengths[part]):
            here = self._block(part, place // BLOCK)[place % BLOCK :]  # none if it was cut off
            if not len(here) or int(here["key"][0]) != key:
                break
            units.append(int(here["unit"][0]))
        return units


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
        run = Run(name, int(values["bits"]), lengths, int(values["n_units"]))
        if len(lengths) != 1 << run.bits:
            raise ValueError(f"{len(lengths)} parts by {run.bits} bits")
        return run
    except (KeyError, TypeError, ValueError) as error:
        raise SchemaError(f"{url}/{path} is broken ({error!r})") from error


@lru_cache(maxsize=16)
def _read_units(url: str, name: str) -> Units:
    return np.frombuffer(Folder(url).read_bytes(f"index/{name}/units.bin"), dtype=UNIT)
