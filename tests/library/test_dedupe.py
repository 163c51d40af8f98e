import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from screener.chemistry.identity import mol_id
from screener.errors import StoreError
from screener.library import dedupe
from screener.library.dedupe import DUPLICATE, KEY, Shuffle
from screener.stores.files import Folder


def molecules(names: list[str], block: int) -> pa.Table:
    """A block in which every other record has two isomers."""
    records = [(block << 32) + k for k, _ in enumerate(names)]
    rows = [(name, order, 0) for name, order in zip(names, records, strict=True)]
    rows += [
        (name + "*", order, 1) for name, order in zip(names, records, strict=True) if order % 2
    ]
    rows.sort(key=lambda row: row[1:])
    return pa.table(
        {
            "mol_id": [mol_id(name) for name, _, _ in rows],
            "input_order": pa.array([order for _, order, _ in rows], pa.int64()),
            "isomer": pa.array([isomer for _, _, isomer in rows], pa.int32()),
            "source": pa.array([block] * len(rows), pa.int32()),
            "line": pa.array([(order & 0xFFFF) + 1 for _, order, _ in rows], pa.int64()),
            "name": [name for name, _, _ in rows],
        }
    )


@given(
    blocks=st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=8), min_size=1, max_size=6),
    bits=st.integers(0, 3),
    blocks_per_group=st.integers(1, 4),
)
@settings(deadline=None)
def test_first_occurrences_win_whatever_the_blocks_groups_and_buckets(
    blocks: list[list[str]],
    bits: int,
    blocks_per_group: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = Folder(str(tmp_path_factory.mktemp("dedupe")))
    shuffle = Shuffle(len(blocks), 2**bits, blocks_per_group)
    tables = [molecules(names, block) for block, names in enumerate(blocks)]
    for group in range(shuffle.n_groups):
        keys = [dedupe.keys_of(tables[block]) for block in shuffle.blocks_of(group)]
        packed = dedupe.by_bucket(np.concatenate(keys), shuffle.n_buckets)
        folder.write_bytes(f"keys/{group}", packed)
    duplicates = []
    for bucket in range(shuffle.n_buckets):
        parts = [
            dedupe.read_parts(
                folder, f"keys/{group}", KEY, shuffle.n_buckets, range(bucket, bucket + 1)
            )
            for group in range(shuffle.n_groups)
        ]
        duplicates.append(dedupe.duplicates_among(np.concatenate(parts)))
    found = dedupe.in_order(np.concatenate(duplicates))
    folder.write_bytes("found", dedupe.by_block(found, np.arange(len(blocks))))

    seen: dict[str, tuple[int, int]] = {}
    for block, table in enumerate(tables):
        of_block = dedupe.read_parts(
            folder, "found", DUPLICATE, len(blocks), range(block, block + 1)
        )
        kept = dedupe.are_kept(table, of_block).tolist()
        where = iter(of_block)
        for row, is_kept in zip(table.to_pylist(), kept, strict=True):
            assert is_kept == (row["name"] not in seen)
            if not is_kept:
                duplicate = next(where)
                assert (duplicate["kept_source"], duplicate["kept_line"]) == seen[row["name"]]
            seen.setdefault(row["name"], (row["source"], row["line"]))
    several = dedupe.read_parts(folder, "found", DUPLICATE, len(blocks), range(len(blocks)))
    assert several.tobytes() == found.tobytes()


@pytest.mark.parametrize(
    ("n_blocks", "n_rows", "n_buckets", "blocks_per_group"),
    [(1, 1, 1, 64), (10, 101, 2, 64), (1000, 10_000, 128, 128), (200_000, 10**9, 1 << 24, 1 << 24)],
)
def test_buckets_grow_with_the_rows_and_groups_with_the_buckets(
    n_blocks: int, n_rows: int, n_buckets: int, blocks_per_group: int
) -> None:
    shuffle = Shuffle.of(n_blocks, n_rows, 100)
    assert (shuffle.n_buckets, shuffle.blocks_per_group) == (n_buckets, blocks_per_group)
    blocks = [block for group in range(shuffle.n_groups) for block in shuffle.blocks_of(group)]
    assert blocks == list(range(n_blocks))
    assert [shuffle.group_of(block) for block in (0, n_blocks - 1)] == [0, shuffle.n_groups - 1]


def test_a_file_that_was_cut_is_noticed(tmp_path: object) -> None:
    folder = Folder(str(tmp_path))
    records = np.zeros(3, dtype=DUPLICATE)
    whole = dedupe.by_block(records, np.arange(1))
    for n_bytes, part in ((len(whole) - 1, range(1)), (8, range(1))):
        folder.write_bytes("cut", whole[:n_bytes])
        with pytest.raises(StoreError, match="cut is cut"):
            dedupe.read_parts(folder, "cut", DUPLICATE, 1, part)
