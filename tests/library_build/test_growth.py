"""How reads, files and folders of a build grow with its rows, counted and not timed."""

import gzip
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from screener.chemistry.identity import mol_id
from screener.chemistry.standardise import StandardiseSettings
from screener.errors import ConfigError
from screener.execution.tasks import Completed, Task
from screener.library import dedupe, record_blocks, sources
from screener.library.blocks import Standardised
from screener.library.settings import Layout
from screener.library_build import build as library_build
from screener.library_build import passes, read_blocks, receipts, storage_keys
from screener.library_build.build import build_library
from screener.records import Molecule
from screener.stores.files import Folder
from screener.stores.library import LibraryStore

PER_FOLDER = 20
# 8 rows to a block, 4 blocks to a bucket
SMALL = Layout(
    span_bytes=512,
    first_block_rows=8,
    block_rows=8,
    bucket_rows=32,
    shard_rows=64,
    row_group_rows=64,
    blocks_per_part=8,
)
N_KINDS = 7  # of molecules that come up again and again: one row in ten


@dataclass
class Watch:
    """What a build did, by the first folder of the paths."""

    reads: Counter[str] = field(default_factory=Counter)
    read_bytes: Counter[str] = field(default_factory=Counter)
    writes: Counter[str] = field(default_factory=Counter)
    parsed_by_client: int = 0
    in_task: bool = False
    largest_folder: int = 0

    @property
    def deduplication(self) -> int:
        """Reads of keys and of what was found in them."""
        return sum(
            self.reads[kind] for kind in ("keys", "key_groups", "bucket_duplicates", "duplicates")
        )


def trivial(_: Callable[..., Any], entries: Sequence[tuple[bool, str]], **__: Any) -> list[Any]:
    """Takes every text for a molecule."""
    return [
        Standardised(text, [Molecule(mol_id(text), text, "", 1, 5, 0, 0)]) for _, text in entries
    ]


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Builds without cluster and chemistry, whose accesses are counted."""
    watch = Watch()

    def run(_: Any, tasks: Iterable[Task]) -> Iterator[Completed]:
        for task in tasks:
            watch.in_task = True
            result = task.function(*task.arguments)
            watch.in_task = False
            yield Completed(task, result)

    read, write, records_of = Folder.read_bytes, Folder.write_bytes, record_blocks.records_of
    clear = library_build.clear

    def read_bytes(self: Folder, path: str, *ends: int) -> bytes:
        data = read(self, path, *ends)
        watch.reads[path.partition("/")[0]] += 1
        watch.read_bytes[path.partition("/")[0]] += len(data)
        return data

    def write_bytes(self: Folder, path: str, data: bytes) -> str:
        watch.writes[path.partition("/")[0]] += 1
        return write(self, path, data)

    def parse(*arguments: Any) -> Any:
        watch.parsed_by_client += not watch.in_task
        return records_of(*arguments)

    def look_and_clear(folder: Folder) -> None:
        inside = [path for path in folder.local_path().rglob("*") if path.is_dir()]
        watch.largest_folder = max(len(list(path.iterdir())) for path in inside)
        clear(folder)

    monkeypatch.setattr(passes, "run_tasks", run)
    monkeypatch.setattr(passes, "isolated_map", trivial)
    monkeypatch.setattr(Folder, "read_bytes", read_bytes)
    monkeypatch.setattr(Folder, "write_bytes", write_bytes)
    monkeypatch.setattr(record_blocks, "records_of", parse)
    monkeypatch.setattr(library_build, "clear", look_and_clear)
    monkeypatch.setattr(dedupe, "MIN_GROUP_BLOCKS", 1)
    for module in (storage_keys, receipts):
        monkeypatch.setattr(module, "PER_FOLDER", PER_FOLDER)
    return watch


def build(path: Path, out: Path) -> LibraryStore:
    settings = StandardiseSettings()
    return build_library([str(path)], str(out), settings, None, layout=SMALL)  # type: ignore[arg-type]  # no cluster


def molecules(n_rows: int) -> str:
    """A tenth of the rows are one of a few molecules, so that every block has duplicates."""
    numbers = (("N", k % (10 * N_KINDS)) if k % 10 == 0 else ("C", k) for k in range(n_rows))
    return "".join(f"{letter}{number:06d}\n" for letter, number in numbers)  # 8 bytes each


@pytest.mark.slow
def test_reads_grow_with_the_blocks_and_not_with_blocks_times_buckets(
    watched: Watch, tmp_path: Path
) -> None:
    n_blocks = [32, 128, 512]
    reads, bytes_of_keys, files = [], [], []
    for n in n_blocks:
        watched.reads.clear()
        watched.read_bytes.clear()
        watched.writes.clear()
        (tmp_path / f"{n}.smi").write_text(molecules(8 * n))
        library = build(tmp_path / f"{n}.smi", tmp_path / f"{n}")
        assert library.manifest.totals.duplicates == -(-8 * n // 10) - N_KINDS
        assert watched.writes["molecules"] == n
        reads.append(watched.deduplication)
        bytes_of_keys.append(watched.read_bytes["keys"] + watched.read_bytes["key_groups"])
        files.append(sum(watched.writes.values()))
        # one read of each block's keys, and two of each bucket in each group, both ways
        shuffle = dedupe.Shuffle.of(n, 8 * n, SMALL.bucket_rows)
        assert shuffle.n_buckets == n // 4
        assert shuffle.n_groups * shuffle.n_buckets == n
        n_shards, n_parts = -(-library.n_rows // SMALL.shard_rows), n // SMALL.blocks_per_part
        in_writing = 2 * 2 * (n_shards + n_parts)  # in one group or in two
        assert reads[-1] <= n + 4 * n + in_writing
        assert watched.read_bytes["keys"] == dedupe.KEY.itemsize * 8 * n
    for counts in (reads, bytes_of_keys, files):
        assert all(
            4 * smaller * 0.8 < larger < 4 * smaller * 1.1 for smaller, larger in pairwise(counts)
        )


def test_no_folder_is_large_and_the_client_reads_no_record(watched: Watch, tmp_path: Path) -> None:
    n_blocks = 150
    (tmp_path / "a.smi").write_text(molecules(8 * n_blocks))
    library = build(tmp_path / "a.smi", tmp_path / "out")
    assert watched.parsed_by_client == 0
    assert n_blocks > 5 * PER_FOLDER
    # the largest of all are those with a folder for every so many blocks, and its own name
    assert watched.largest_folder <= PER_FOLDER + 1
    assert len(library.shards) == 17
    assert library.shards[0] == "shards/000/part-00000000.parquet"
    assert library.read_range(0, library.n_rows)["row"].to_pylist() == list(range(library.n_rows))


@pytest.mark.slow
def test_a_build_that_goes_on_does_not_open_a_receipt_for_every_task(
    watched: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_blocks = 100
    (tmp_path / "a.smi").write_text(molecules(8 * n_blocks))
    whole = build(tmp_path / "a.smi", tmp_path / "whole")

    def refuse(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(passes, "add_up", refuse)
        with pytest.raises(KeyboardInterrupt):
            build(tmp_path / "a.smi", tmp_path / "out")
    watched.reads.clear()
    again = build(tmp_path / "a.smi", tmp_path / "out")
    assert again.digest == whole.digest
    assert again.manifest == whole.manifest
    # spans, blocks, groups and buckets, both ways; shards, parts: one file for so many of each
    n_tasks = {"span": 15, "block": 100, "group": 4, "bucket": 32, "shard": 12, "part": 13}
    assert watched.reads["receipts"] <= sum(-(-n // PER_FOLDER) for n in n_tasks.values()) + 2
    assert watched.reads["keys"] == watched.reads["molecules"] == 0


@contextmanager
def hidden(
    monkeypatch: pytest.MonkeyPatch, watch: Watch, is_hidden: Callable[[sources.Source], bool]
) -> Iterator[None]:
    """Inputs that cannot be read by tasks."""
    readable = sources._readable

    @contextmanager
    def read(source: sources.Source) -> Iterator[Any]:
        if watch.in_task and is_hidden(source):
            raise ConfigError(f"there is no file {source.url}")
        with readable(source) as found:
            yield found

    with monkeypatch.context() as patched:
        patched.setattr(sources, "_readable", read)
        yield


@pytest.mark.parametrize("name", ["a.smi", "a.csv", "a.smi.gz"])
def test_what_workers_cannot_read_the_client_reads_for_them(
    name: str, watched: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = molecules(300)
    text = f"smiles\n{text}" if name == "a.csv" else text
    data = gzip.compress(text.encode()) if name.endswith("gz") else text.encode()
    (tmp_path / name).write_bytes(data)
    whole = build(tmp_path / name, tmp_path / "whole")
    with hidden(monkeypatch, watched, lambda _: True):
        unseen = build(tmp_path / name, tmp_path / "unseen")
    assert unseen.manifest == whole.manifest
    assert watched.parsed_by_client == 0  # its bytes are copied, and parsed by the workers
    watched.writes.clear()
    # the first task sees the input, those of the blocks do not
    with monkeypatch.context() as patched:

        def refuse(*_: Any) -> bytes:
            raise ConfigError("not mounted")

        patched.setattr(read_blocks, "read_range", refuse)
        half_seen = build(tmp_path / name, tmp_path / "half")
    assert half_seen.manifest == whole.manifest
    assert bool(watched.writes["copies"]) == (not name.endswith("gz"))


def test_an_input_that_has_changed_is_refused(
    watched: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.smi"
    path.write_text(molecules(30))

    def change(*arguments: Any) -> Any:
        path.write_text(molecules(31))
        return plan_spans(*arguments)

    plan_spans = passes.plan_spans
    monkeypatch.setattr(passes, "plan_spans", change)
    with pytest.raises(ConfigError, match=r"a\.smi has 248 bytes, and 240 when the build began"):
        build(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
