"""Blocks of a library build without chemistry, and a count of what a process reads and writes."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from screener.chemistry.identity import mol_id
from screener.library.blocks import Standardised
from screener.library.record_blocks import Input, RecordRange
from screener.library.settings import BuildSettings, Layout
from screener.library_build.read_blocks import Unreadable
from screener.library_build.tasks import standardise_block
from screener.records import Molecule, Receipt
from screener.stores.files import Folder

COUNTS: Counter[str] = Counter()  # of this process


def count_accesses() -> None:
    """Have this process count what it reads and writes in folders; again, begin at nothing."""
    COUNTS.clear()
    if hasattr(Folder, "is_counted"):
        return
    read, write = Folder.read_bytes, Folder.write_bytes

    def read_bytes(self: Folder, path: str, *ends: int | None, **named: int | None) -> bytes:
        data = read(self, path, *ends, **named)
        _count("read", path, len(data))
        return data

    def write_bytes(self: Folder, path: str, data: bytes) -> str:
        _count("written", path, len(data))
        return write(self, path, data)

    Folder.read_bytes, Folder.write_bytes, Folder.is_counted = read_bytes, write_bytes, True  # type: ignore[method-assign,attr-defined]


def _count(what: str, path: str, n_bytes: int) -> None:
    kind = path.partition("/")[0]
    COUNTS[f"{kind} {what}"] += 1
    COUNTS[f"{kind} {what}, bytes"] += n_bytes


def counted() -> Counter[str]:
    """What this process has counted."""
    return COUNTS


def trivial(_: Callable[..., Any], entries: Sequence[tuple[bool, str]]) -> list[Any]:
    """Takes every text for a molecule of one carbon."""
    return [
        Standardised(text, [Molecule(mol_id(text), "C", "", 1, 5, 0, 0)]) for _, text in entries
    ]


def trivial_block(
    temporary: Folder,
    block: int,
    ranges: Sequence[RecordRange],
    inputs: Mapping[int, Input],
    settings: BuildSettings,
    layout: Layout,
) -> Receipt | Unreadable:
    """The task of a block without its chemistry."""
    return standardise_block(temporary, block, ranges, inputs, settings, layout, trivial)
