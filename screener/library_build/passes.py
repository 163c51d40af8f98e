"""The passes of a library build as Dask tasks: which there are, and what they add up to.

The client streams the inputs into blocks; blocks are standardised, buckets deduplicated, shards
written (see `screener.library_build.tasks`). A pass carries out the tasks that have no receipt yet.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
import pyarrow as pa
import rdkit
from distributed import Client
from numpy.typing import NDArray

from screener.chemistry.standardise import StandardiseSettings
from screener.errors import ConfigError
from screener.execution.child import isolated_map
from screener.execution.tasks import Task, run_tasks
from screener.library import dedupe
from screener.library.blocks import TYPED
from screener.library.columns import column_type, wider_kind
from screener.library.settings import BuildSettings, Layout
from screener.library.sources import Source
from screener.library.spool import OWN, BlockReader, parquet_types
from screener.library_build import tasks as work
from screener.library_build.accounts import add_up, pieces_of
from screener.library_build.folder import TEMPORARY
from screener.records import Receipt
from screener.stores.files import Folder, digest
from screener.stores.library import (
    MANIFEST,
    SCHEMA_VERSION,
    SHARDS,
    SHARDS_SCHEMA,
    STANDARD_SCHEMA,
    InputFile,
    LibraryManifest,
)
from screener.stores.receipts import Receipts

log = logging.getLogger(__name__)

MOLECULE_SECONDS = 30.0  # wall clock to standardise one molecule, which takes a millisecond


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """How far a build is; `total` is None while the inputs are still being read."""

    phase: str  # `standardise`, `deduplicate` or `write`
    done: int  # tasks of this phase
    total: int | None
    read: int  # records so far
    quarantined: int


Report = Callable[[BuildProgress], None]


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """A build that can start: its inputs were looked at, nothing is written yet."""

    folder: Folder
    sources: tuple[Source, ...]
    inputs: tuple[InputFile, ...]
    settings: BuildSettings
    layout: Layout

    @property
    def identity(self) -> dict[str, Any]:
        """What a library must have been made from to be this one."""
        return {
            "settings": self.settings.model_dump(mode="json"),
            "inputs": [file.model_dump() for file in self.inputs],
        }


class RefusedError(ConfigError):
    """No library can be made of these inputs; running again would not help."""


def _standardise_block(
    temporary: str,
    block: int,
    settings: StandardiseSettings,
    source_names: Mapping[int, str],
    n_buckets: int,
) -> Receipt:
    """The first pass's task, with its molecules in a child process."""
    mapper = partial(isolated_map, wall_clock_seconds=MOLECULE_SECONDS)
    return work.standardise_block(
        Folder(temporary), block, settings, source_names, n_buckets, mapper
    )


class Passes:
    """The passes of one build, as far as its receipts say that they are not done."""

    def __init__(self, plan: BuildPlan, client: Client, progress: Report | None) -> None:
        self._plan = plan
        self._folder = plan.folder
        self._temporary = plan.folder.child(TEMPORARY)
        self._receipts = Receipts(self._temporary)
        self._sources = plan.sources
        self._names = {position: source.name for position, source in enumerate(plan.sources)}
        self._settings = plan.settings
        self._layout = plan.layout
        self._client = client
        self._progress = progress
        sizes = [file.bytes for file in plan.inputs]
        self._n_buckets = dedupe.count_buckets(plan.sources, sizes, plan.layout)
        self._counts: Counter[str] = Counter()

    def run(self) -> None:
        """Do what is missing, and write the manifest last."""
        done = self._receipts.done()
        reader = BlockReader(self._sources, self._settings, self._layout)
        blocks = self._blocks(reader, done)
        self._require_molecules(blocks)
        self._deduplicate(blocks, done)
        own = self._own_columns(blocks)
        shards, parts = self._write(blocks, own, done)
        self._finish(blocks, reader.blank.n, own, shards, parts)

    def _carry_out(
        self, phase: str, tasks: Iterable[Task], total: int | None, done: set[str]
    ) -> dict[str, Receipt]:
        """Receipts of all tasks by name; those that are done already are read."""
        receipts: dict[str, Receipt] = {}

        def waiting() -> Iterator[Task]:
            for task in tasks:
                if task.name in done:
                    self._settle(phase, self._receipts.read(task.name), total, receipts)
                else:
                    yield task

        for completed in run_tasks(self._client, waiting()):
            self._settle(phase, completed.result, total, receipts)
        return dict(sorted(receipts.items()))

    def _settle(
        self, phase: str, receipt: Receipt, total: int | None, receipts: dict[str, Receipt]
    ) -> None:
        receipts[receipt.unit] = receipt
        log.info("%s: %s in %.1f s", receipt.unit, receipt.counts, receipt.seconds)
        if phase == "standardise":
            self._counts.update(receipt.counts)
            self._temporary.remove(f"spool/{receipt.unit}.parquet")
        if self._progress is not None:
            counts = self._counts
            self._progress(
                BuildProgress(phase, len(receipts), total, counts["in"], counts["quarantined"])
            )

    def _blocks(self, reader: BlockReader, done: set[str]) -> list[Receipt]:
        def tasks() -> Iterator[Task]:
            blocks = iter(reader)
            while True:
                try:
                    block = next(blocks, None)
                except ConfigError as error:
                    raise RefusedError(str(error)) from error
                if block is None:
                    return
                name = work.block_name(block.number)
                if name not in done:
                    self._temporary.write_table(f"spool/{name}.parquet", block.records)
                sources = set(block.records["source"].to_pylist())
                names = {position: self._names[position] for position in sources}
                settings = self._settings.molecules
                arguments = (self._temporary.url, block.number, settings, names, self._n_buckets)
                yield Task(name, _standardise_block, arguments, "CPU")

        return list(self._carry_out("standardise", tasks(), None, done).values())

    def _require_molecules(self, blocks: Sequence[Receipt]) -> None:
        if self._counts["rows"]:
            return
        codes: Counter[str] = Counter()
        for block in blocks:
            codes.update(block.details["codes"])
        if not codes:
            raise RefusedError(f"there is no molecule in {', '.join(self._names.values())}")
        first = next(block.unit for block in blocks if block.counts["quarantined"])
        example = self._temporary.read_table(f"quarantine/{first}.parquet").slice(0, 1)
        row = example.to_pylist()[0]
        raise RefusedError(
            f"none of {self._counts['in']} molecules is valid "
            f"({', '.join(f'{code}: {count}' for code, count in codes.most_common())}); the first, "
            f"{row['source']} line {row['line']}: {row['message']}: {row['raw'][:80]!r}"
        )

    def _deduplicate(self, blocks: Sequence[Receipt], done: set[str]) -> None:
        starts = np.array([block.details["start"] for block in blocks], dtype="<i8")
        self._temporary.write_bytes("starts", starts.tobytes())
        tasks = [
            Task(
                work.bucket_name(bucket),
                work.deduplicate_bucket,
                (self._temporary, bucket, len(blocks)),
            )
            for bucket in range(self._n_buckets)
        ]
        self._carry_out("deduplicate", tasks, len(tasks), done)

    def _own_columns(self, blocks: Sequence[Receipt]) -> pa.Schema:
        """The caller's columns, in the order in which they first appear."""
        kinds: dict[str, str | None] = {}
        for block in blocks:
            for name, kind in block.details["own"]:
                known = kinds.setdefault(name, None)
                if kind != TYPED:
                    kinds[name] = kind if known is None else wider_kind(known, kind)
        typed = parquet_types(self._sources, self._settings)
        try:
            fields = []
            for name, kind in kinds.items():
                stored = name.removeprefix(OWN)
                fields.append((stored, column_type(stored, kind, typed.get(stored, []))))
        except ConfigError as error:
            raise RefusedError(str(error)) from error
        return pa.schema(fields)

    def _kept(self, blocks: Sequence[Receipt]) -> NDArray[np.int64]:
        """int64 (n_blocks,), rows of each block that are kept."""
        kept = np.array([block.counts["rows"] for block in blocks], dtype=np.int64)
        for bucket in range(self._n_buckets):
            path = f"losers/{work.bucket_name(bucket)}"
            kept -= np.diff(dedupe.read_offsets(self._temporary, path))
        return kept

    def _write(
        self, blocks: Sequence[Receipt], own: pa.Schema, done: set[str]
    ) -> tuple[list[Receipt], list[Receipt]]:
        ends = np.cumsum(self._kept(blocks))
        n_rows, size = int(ends[-1]), self._layout.shard_rows
        temporary, library, n_buckets = self._temporary, self._folder, self._n_buckets
        tasks = []
        for shard, first in enumerate(range(0, n_rows, size)):
            pieces = pieces_of(ends, first, min(first + size, n_rows))
            group = self._layout.row_group_rows
            of_shard = (temporary, library, shard, first, pieces, n_buckets, own, group)
            tasks.append(Task(f"shard-{shard:08d}", work.write_shard, of_shard))
        step = self._layout.blocks_per_part
        for part, start in enumerate(range(0, len(blocks), step)):
            span = range(start, min(start + step, len(blocks)))
            of_part = (temporary, library, part, span, n_buckets, self._names)
            tasks.append(Task(f"part-{part:08d}", work.write_part, of_part))
        receipts = self._carry_out("write", tasks, len(tasks), done)
        shards = [receipt for receipt in receipts.values() if receipt.stage == "shard"]
        return shards, [receipt for receipt in receipts.values() if receipt.stage == "part"]

    def _finish(
        self,
        blocks: Sequence[Receipt],
        n_blank: int,
        own: pa.Schema,
        shards: Sequence[Receipt],
        parts: Sequence[Receipt],
    ) -> None:
        """Add everything up and write the manifests."""
        totals = add_up(blocks, n_blank, shards, parts)
        rows = [
            (path, shard.counts["rows"], checksum, shard.details["bytes"])
            for shard in shards
            for path, checksum in shard.files.items()
        ]
        table = pa.Table.from_arrays(
            [pa.array(column) for column in zip(*rows, strict=True)], schema=SHARDS_SCHEMA
        )
        self._folder.write_table(SHARDS, table)
        files = [path for part in parts for path in part.files]
        manifest = LibraryManifest(
            schema_version=SCHEMA_VERSION,
            screener_version=version("screener"),
            rdkit_version=rdkit.__version__,
            settings=self._settings.model_dump(mode="json"),
            inputs=list(self._plan.inputs),
            totals=totals,
            columns=[(field.name, str(field.type)) for field in [*STANDARD_SCHEMA, *own]],
            shard_rows=self._layout.shard_rows,
            duplicates=[path for path in files if path.startswith("duplicates/")],
            quarantine=[path for path in files if path.startswith("quarantine/")],
            digest=digest([checksum for _, _, checksum, _ in rows]),
        )
        self._folder.write_json(MANIFEST, manifest.model_dump(mode="json"))
