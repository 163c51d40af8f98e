"""The passes of a library build as Dask tasks: which there are, and what they add up to.

Inputs are cut into blocks (see `screener.library_build.cut_inputs`); blocks are standardised, their
keys deduplicated, shards written (see `screener.library_build.tasks`). The tasks of a pass are
numbered, and those that have no receipt yet are carried out. No rows pass through the client,
except those of inputs that only it can read.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import rdkit
from distributed import Client
from numpy.typing import NDArray

from screener.execution.child import isolated_map
from screener.execution.tasks import Task, run_tasks
from screener.library.columns import column_type, is_unnamed, why_no_numbers
from screener.library.dedupe import Shuffle
from screener.library.parquet_input import parquet_types
from screener.library.record_blocks import Input, RecordRange, join_ranges
from screener.library.record_schema import OWN
from screener.library.settings import BuildSettings, Layout
from screener.library.sources import Source, read_range
from screener.library_build import tasks as work
from screener.library_build.accounts import BlockTotals, add_up, pieces_of
from screener.library_build.cut_inputs import cut_span, plan_spans, ranges_of, table_head
from screener.library_build.folder import TEMPORARY
from screener.library_build.plan import BuildPlan, BuildProgress, Report
from screener.library_build.read_blocks import Unreadable
from screener.library_build.receipts import PassReceipts
from screener.library_build.refused import RefusedError, refusing
from screener.library_build.storage_keys import storage_key, task_name
from screener.records import Receipt
from screener.stores.files import Folder, digest
from screener.stores.library import (
    MANIFEST,
    SCHEMA_VERSION,
    SHARDS,
    SHARDS_SCHEMA,
    STANDARD_SCHEMA,
    LibraryManifest,
    LibraryTotals,
)

log = logging.getLogger(__name__)

MOLECULE_SECONDS = 30.0  # wall clock to standardise one molecule, which takes a millisecond


@dataclass(frozen=True, slots=True)
class _Pass:
    """One pass, or one of those that make up a phase."""

    phase: str
    kind: str  # of its receipts
    n_tasks: int
    before: int = 0  # tasks of the phase that were done in passes before
    total: int | None = None  # tasks of the whole phase, where it has more


def _standardise_block(
    temporary: Folder,
    block: int,
    ranges: Sequence[RecordRange],
    inputs: Mapping[int, Input],
    settings: BuildSettings,
    layout: Layout,
) -> Receipt | Unreadable:
    """The task of a block, with its molecules in a child process."""
    mapper = partial(isolated_map, wall_clock_seconds=MOLECULE_SECONDS)
    return work.standardise_block(temporary, block, ranges, inputs, settings, layout, mapper)


class Passes:
    """The passes of one build, as far as its receipts say that they are not done.

    Args:
        plan: what is built.
        client: a Dask client.
        progress: called after every task.
    """

    def __init__(self, plan: BuildPlan, client: Client, progress: Report | None) -> None:
        self._plan = plan
        self._folder = plan.folder
        self._temporary = plan.folder.child(TEMPORARY)
        self._names = {position: source.name for position, source in enumerate(plan.sources)}
        self._settings = plan.settings
        self._layout = plan.layout
        self._client = client
        self._progress = progress
        self._counts: Counter[str] = Counter()
        self._unseen: set[int] = set()  # inputs that a worker could not read

    def run(self) -> None:
        """Do what is missing, and write the manifest last.

        Raises:
            RefusedError: no library can be made of these inputs.
            StoreError: a file of the build is lost or broken.
        """
        inputs, ranges = self._cut()
        blocks = list(join_ranges(ranges, self._layout))
        totals = self._standardise(blocks, inputs)
        self._require_molecules(totals)
        with refusing():  # types that do not go together
            own, no_numbers = self._own_columns(totals)
        n_rows = totals.counts["rows"]
        shuffle = Shuffle.of(len(blocks), n_rows, self._layout.bucket_rows)
        duplicates = self._deduplicate(shuffle)
        shards, parts = self._write(totals, duplicates, shuffle, own)
        self._finish(add_up(totals, shards, parts), own, no_numbers, shards, parts)

    def _carry_out(
        self,
        each: _Pass,
        task: Callable[[int], Task],
        settle: Callable[[int, Receipt], None],
        instead: Callable[[int], Receipt | Task] | None = None,
    ) -> None:
        """Carry out the tasks of a pass that are not done.

        Args:
            each: the pass.
            task: makes the task of a number.
            settle: takes the receipt of every task, in any order.
            instead: does in this process a task whose worker cannot read an input, or makes another
                task of it.
        """
        receipts = PassReceipts(self._temporary, each.kind, each.n_tasks)
        n_done = 0

        def note(number: int, receipt: Receipt) -> None:
            nonlocal n_done
            n_done += 1
            settle(number, receipt)
            log.info("%s: %s in %.1f s", receipt.unit, receipt.counts, receipt.seconds)
            if self._progress is not None:
                done, total = each.before + n_done, each.total or each.n_tasks
                read, quarantined = self._counts["in"], self._counts["quarantined"]
                self._progress(BuildProgress(each.phase, done, total, read, quarantined))

        def missing() -> Iterator[Task]:
            for number in range(each.n_tasks):
                if (receipt := receipts.done(number)) is not None:
                    note(number, receipt)
                else:
                    yield task(number)

        waiting = missing()
        while True:
            again: list[Task] = []
            for completed in run_tasks(self._client, waiting):
                number, result = int(completed.task.name.rpartition("-")[2]), completed.result
                if isinstance(result, Unreadable):
                    assert instead is not None
                    self._leave_to_client(result)
                    result = instead(number)
                if isinstance(result, Task):
                    again.append(result)
                else:
                    receipts.add(number, result)
                    note(number, result)
            if not again:
                return
            waiting = iter(again)

    def _leave_to_client(self, unreadable: Unreadable) -> None:
        if unreadable.position not in self._unseen:
            self._unseen.add(unreadable.position)
            log.warning(
                "a worker cannot read the input %s, so this process reads it for the workers; "
                "where all of them can read it, that is faster (%s)",
                self._names[unreadable.position],
                unreadable.reason,
            )

    def _cut(self) -> tuple[dict[int, Input], Iterator[RecordRange]]:
        """The inputs, and the pieces into which they are cut."""
        sources = [_anywhere(source) for source in self._plan.sources]
        spans = list(plan_spans(sources, self._plan.inputs, self._layout))
        details: dict[int, dict[str, Any]] = {}

        def settle(number: int, receipt: Receipt) -> None:
            details[number] = receipt.details

        def arguments(number: int) -> tuple[Any, ...]:
            return self._temporary, spans[number], self._settings, self._layout

        def task(number: int) -> Task:
            return Task(task_name("span", number), cut_span, arguments(number), "CPU")

        def instead(number: int) -> Receipt:
            result = cut_span(*arguments(number))
            if isinstance(result, Unreadable):
                raise RefusedError(result.reason)
            return result

        self._carry_out(_Pass("read", "span", len(spans)), task, settle, instead)
        inputs = {
            span.position: Input(
                span.source, table_head(details[span.number]), is_copied=span.way == "copy"
            )
            for span in reversed(spans)  # the first span of an input is the one with its head
        }
        return inputs, ranges_of((span, details[span.number]) for span in spans)

    def _standardise(
        self, blocks: Sequence[Sequence[RecordRange]], inputs: Mapping[int, Input]
    ) -> BlockTotals:
        totals = BlockTotals(len(blocks))

        def settle(number: int, receipt: Receipt) -> None:
            totals.add(number, receipt)
            self._counts.update(receipt.counts)

        def task(number: int) -> Task:
            ranges = [self._copied(each, inputs[each.source]) for each in blocks[number]]
            needed = {each.source: inputs[each.source] for each in ranges}
            return self._block_task(number, ranges, needed)

        self._carry_out(_Pass("standardise", "block", len(blocks)), task, settle, task)
        return totals

    def _block_task(
        self, block: int, ranges: Sequence[RecordRange], inputs: Mapping[int, Input]
    ) -> Task:
        """The task that reads and standardises a block."""
        arguments = (self._temporary, block, ranges, inputs, self._settings, self._layout)
        return Task(task_name("block", block), _standardise_block, arguments, "CPU")

    def _copied(self, each: RecordRange, its_input: Input) -> RecordRange:
        """The range, with a copy of its bytes where workers cannot read the input."""
        if each.source not in self._unseen or each.file or its_input.is_copied:
            return each
        path = storage_key("copies", each.source) + f"-{each.start:016d}"
        data = read_range(its_input.source, each.start, each.stop)
        self._temporary.write_bytes(path, data)
        return replace(each, file=path)

    def _require_molecules(self, totals: BlockTotals) -> None:
        if totals.counts["rows"]:
            return
        if not totals.codes:
            raise RefusedError(f"there is no molecule in {', '.join(self._names.values())}")
        first = int(np.flatnonzero(totals.quarantined)[0])
        path = storage_key("quarantine", first, suffix=".parquet")
        row = self._temporary.read_table(path).slice(0, 1).to_pylist()[0]
        codes = (f"{code}: {count}" for code, count in totals.codes.most_common())
        raise RefusedError(
            f"none of {totals.counts['in']} molecules is valid ({', '.join(codes)}); the first, "
            f"{row['source']} line {row['line']}: {row['message']}: {row['raw'][:80]!r}"
        )

    def _own_columns(self, totals: BlockTotals) -> tuple[pa.Schema, dict[str, str]]:
        """The caller's columns, in the order in which they first appear, and which of those of text
        hold what is no number. A column with neither name nor value is none."""
        typed = parquet_types(self._plan.sources, self._settings)
        fields, no_numbers = [], {}
        for name, column in totals.own_columns.items():
            stored = name.removeprefix(OWN)
            types = typed.get(stored, [])
            if is_unnamed(stored) and column.facts.texts.is_empty and not types:
                continue
            kind = column_type(stored, column.facts, types)
            fields.append((stored, kind))
            if (why := why_no_numbers(kind, column.first, types)) is not None:
                no_numbers[stored] = why
        return pa.schema(fields), no_numbers

    def _deduplicate(self, shuffle: Shuffle) -> NDArray[np.int64]:
        """int64 (n_blocks,), duplicates in each block."""
        duplicates = np.zeros(shuffle.n_blocks, dtype=np.int64)

        def settle(number: int, receipt: Receipt) -> None:
            if receipt.stage == "duplicates":
                duplicates[shuffle.blocks_of(number)] = receipt.details["per_block"]

        steps: list[tuple[str, int, Callable[..., Receipt]]] = [
            ("group", shuffle.n_groups, work.group_keys),
            ("bucket", shuffle.n_buckets, work.deduplicate_bucket),
            ("duplicates", shuffle.n_groups, work.group_duplicates),
        ]
        before, total = 0, sum(n_tasks for _, n_tasks, _ in steps)
        for kind, n_tasks, function in steps:

            def task(
                number: int, kind: str = kind, function: Callable[..., Receipt] = function
            ) -> Task:
                return Task(task_name(kind, number), function, (self._temporary, number, shuffle))

            self._carry_out(_Pass("deduplicate", kind, n_tasks, before, total), task, settle)
            before += n_tasks
        return duplicates

    def _write(
        self,
        totals: BlockTotals,
        duplicates: NDArray[np.int64],
        shuffle: Shuffle,
        own: pa.Schema,
    ) -> tuple[list[Receipt], list[Receipt]]:
        """Receipts of the shards, and of the tables of what is not in them."""
        ends = np.cumsum(totals.rows - duplicates)
        n_rows, size = int(ends[-1]), self._layout.shard_rows
        step = self._layout.blocks_per_part
        n_shards, n_parts = -(-n_rows // size), -(-shuffle.n_blocks // step)
        folders = self._temporary, self._folder

        def shard(number: int) -> Task:
            first = number * size
            pieces = pieces_of(ends, first, min(first + size, n_rows))
            rest = (number, first, pieces, shuffle, own, self._layout.row_group_rows)
            return Task(task_name("shard", number), work.write_shard, (*folders, *rest))

        def part(number: int) -> Task:
            blocks = range(number * step, min((number + 1) * step, shuffle.n_blocks))
            quarantined = [block for block in blocks if totals.quarantined[block]]
            rest = (number, blocks, quarantined, shuffle, self._names)
            return Task(task_name("part", number), work.write_part, (*folders, *rest))

        written: dict[str, list[Receipt]] = {"shard": [], "part": []}

        def settle(_: int, receipt: Receipt) -> None:
            written[receipt.stage].append(receipt)

        total = n_shards + n_parts
        self._carry_out(_Pass("write", "shard", n_shards, 0, total), shard, settle)
        self._carry_out(_Pass("write", "part", n_parts, n_shards, total), part, settle)
        for receipts in written.values():
            receipts.sort(key=lambda receipt: receipt.unit)
        return written["shard"], written["part"]

    def _finish(
        self,
        totals: LibraryTotals,
        own: pa.Schema,
        no_numbers: dict[str, str],
        shards: Sequence[Receipt],
        parts: Sequence[Receipt],
    ) -> None:
        """Write the manifests."""
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
            no_numbers=no_numbers,
            shard_rows=self._layout.shard_rows,
            duplicates=[path for path in files if path.startswith("duplicates/")],
            quarantine=[path for path in files if path.startswith("quarantine/")],
            digest=digest([checksum for _, _, checksum, _ in rows]),
        )
        self._folder.write_json(MANIFEST, manifest.model_dump(mode="json"))


def _anywhere(source: Source) -> Source:
    """The source by a path that means the same in every working directory."""
    if "://" in source.url:
        return source
    return replace(source, url=str(Path(source.url).absolute()))
