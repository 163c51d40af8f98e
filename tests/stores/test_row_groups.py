import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from screener.errors import StoreError
from screener.stores import row_groups
from screener.stores.files import Folder
from screener.stores.row_groups import RowGroups, open_row_groups

N_ROWS, GROUP = 1000, 64
TABLE = pa.table(
    {
        "row": pa.array(range(N_ROWS), pa.int64()),
        "smiles": ["C" * (i % 7) + "O" for i in range(N_ROWS)],  # few values: with a dictionary
        "shifts.ppm": pa.array([[0.1 * i] * (i % 4) for i in range(N_ROWS)]),
        "blob": pa.array([os.urandom(400) for _ in range(N_ROWS)], pa.binary()),
        "blob2": pa.array([i if i % 3 else None for i in range(N_ROWS)], pa.int32()),
    }
)
N_GROUPS = -(-N_ROWS // GROUP)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = Folder(str(tmp_path_factory.mktemp("tables")))
    folder.write_table("a.parquet", TABLE, GROUP)
    return folder


@given(rows=st.lists(st.integers(0, N_ROWS - 1), min_size=1, max_size=20, unique=True).map(sorted))
def test_rows_come_back_in_the_columns_asked_for(stored: Folder, rows: list[int]) -> None:
    table = open_row_groups(stored, "a.parquet").rows(np.array(rows), ["blob2", "row"])
    assert table.column_names == ["blob2", "row"]
    assert table["row"].to_pylist() == rows
    assert table["blob2"].to_pylist() == [row if row % 3 else None for row in rows]


def test_only_row_groups_that_may_hold_a_text_are_looked_through(tmp_path: Path) -> None:
    ids = [f"m{row:04d}" for row in range(N_ROWS)]
    others = [None if row % 5 else ids[(7 * row) % N_ROWS] for row in range(N_ROWS)]
    folder = Folder(str(tmp_path))
    table = pa.table({"id": ids, "other": pa.array(others, pa.string()), "row": TABLE["row"]})
    folder.write_table("a.parquet", table, GROUP)
    read: list[tuple[list[int], list[str]]] = []
    inner = RowGroups.read

    def noted(file: RowGroups, groups: list[int], columns: list[str]) -> pa.Table:
        read.append((list(groups), list(columns)))
        return inner(file, groups, columns)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(RowGroups, "read", noted)
        opened = open_row_groups(folder, "a.parquet")
        assert opened.rows_with({"id": ["m0070", "m0999", "x"]}).tolist() == [70, 999]
        assert read == [([1, N_GROUPS - 1], ["id"])]
        assert opened.rows_with({"id": ["x"]}).tolist() == []
        assert len(read) == 1  # no group may hold it, so none was read
        wanted = {"id": ["m0070"], "other": ["m0070"]}
        assert opened.rows_with(wanted).tolist() == [10, 70]  # row 10 has it as its other


@given(
    groups=st.lists(st.integers(0, N_GROUPS - 1), min_size=1, max_size=6, unique=True),
    columns=st.lists(st.sampled_from(TABLE.column_names), min_size=1, unique=True),
    tail=st.sampled_from([8, 100, 64 << 10]),
    gap=st.sampled_from([0, 1000, 1 << 20]),
)
def test_row_groups_come_back_and_nothing_else_is_read(
    stored: Folder, groups: list[int], columns: list[str], tail: int, gap: int
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(row_groups, "_TAIL", tail)
        patched.setattr(row_groups, "_GAP", gap)
        opened = open_row_groups(stored, "a.parquet")
        assert opened.sizes.tolist() == [GROUP] * (N_GROUPS - 1) + [N_ROWS % GROUP]
        read: list[int] = []
        inner = Folder.read_bytes

        def counted(folder: Folder, path: str, start: int, stop: int) -> bytes:
            read.append(stop - start)
            return inner(folder, path, start, stop)

        patched.setattr(Folder, "read_bytes", counted)
        table = opened.read(groups, columns)
    expected = pa.concat_tables(TABLE.slice(group * GROUP, GROUP) for group in groups)
    assert table.select(columns).to_pydict() == expected.select(columns).to_pydict()
    if "blob" not in columns and gap == 0:
        assert sum(read) < len(groups) * GROUP * 100  # blobs alone are 400 a row


def test_no_thread_of_arrow_is_left_over(stored: Folder) -> None:
    script = (
        "import os, sys, time\n"
        "from screener.stores.files import Folder\n"
        "from screener.stores.row_groups import open_row_groups\n"
        "before = os.listdir('/proc/self/task')\n"
        "file = open_row_groups(Folder(sys.argv[1]), 'a.parquet')\n"
        "assert file.read([0, 3], ['smiles', 'row']).num_rows == 128\n"
        "left = 50  # a thread that watches how long a store takes ends by itself\n"
        "while os.listdir('/proc/self/task') != before and left:\n"
        "    left -= 1\n"
        "    time.sleep(0.1)\n"
        "assert os.listdir('/proc/self/task') == before\n"
    )
    subprocess.run([sys.executable, "-c", script, stored.url], check=True)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1 and no more", b"x" * 5000])
def test_what_is_not_parquet_is_told(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises((pa.ArrowInvalid, OSError)):
        open_row_groups(Folder(str(tmp_path)), "a.parquet")
    with pytest.raises(StoreError, match=r"b\.parquet"):
        open_row_groups(Folder(str(tmp_path)), "b.parquet")
