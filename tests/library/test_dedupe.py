import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from screener.chemistry.identity import mol_id
from screener.library import dedupe
from screener.library.settings import Layout
from screener.library.sources import Source
from screener.stores.files import Folder


def molecules(names: list[str], first: int) -> pa.Table:
    n = len(names)
    return pa.table(
        {
            "mol_id": [mol_id(name) for name in names],
            "input_index": pa.array(range(first, first + n), pa.int64()),
            "isomer": pa.array([0] * n, pa.int32()),
            "source": pa.array([first] * n, pa.int32()),
            "line": pa.array(range(1, n + 1), pa.int64()),
        }
    )


@given(
    blocks=st.lists(
        st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=8), min_size=1, max_size=5
    ),
    bits=st.integers(0, 3),
)
@settings(deadline=None)
def test_first_occurrences_win_whatever_the_blocks_and_buckets(
    blocks: list[list[str]], bits: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = Folder(str(tmp_path_factory.mktemp("dedupe")))
    starts = np.cumsum([0, *map(len, blocks[:-1])])
    tables = [molecules(names, int(s)) for names, s in zip(blocks, starts, strict=True)]
    for k, table in enumerate(tables):
        folder.write_bytes(f"keys/{k}", dedupe.by_bucket(dedupe.keys_of(table), 2**bits))
    for bucket in range(2**bits):
        parts = [
            dedupe.read_part(folder, f"keys/{k}", dedupe.KEY, bucket) for k in range(len(blocks))
        ]
        found = dedupe.losers(np.concatenate(parts))
        folder.write_bytes(f"losers/{bucket}", dedupe.by_block(found, starts.astype("<i8")))

    everything = [name for names in blocks for name in names]
    kept = []
    for k, table in enumerate(tables):
        found = np.concatenate(
            [
                dedupe.read_part(folder, f"losers/{bucket}", dedupe.LOSER, k)
                for bucket in range(2**bits)
            ]
        )
        keeps = dedupe.keeps(table, found)
        kept += table.filter(pa.array(keeps))["input_index"].to_pylist()
        for row in found:
            winner = everything.index(everything[row["input_index"]])
            block = int(np.searchsorted(starts, winner, side="right")) - 1
            assert row["kept_source"] == starts[block]
            assert row["kept_line"] == winner - starts[block] + 1
    assert kept == sorted({everything.index(name) for name in everything})


@pytest.mark.parametrize(
    ("size", "compression", "n_buckets"),
    [(1, None, 1), (101, None, 2), (101, "gzip", 8), (10**9, None, 1024)],
)
def test_buckets_grow_with_the_input(size: int, compression: str | None, n_buckets: int) -> None:
    source = Source("a.smi", "a.smi", "smiles", compression)
    assert dedupe.count_buckets([source], [size], Layout(bucket_bytes=100)) == n_buckets
