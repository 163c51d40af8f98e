from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from screener.errors import SchemaError, StoreError
from screener.stores.files import Folder, digest
from screener.stores.library import (
    SCHEMA_VERSION,
    SHARDS_SCHEMA,
    STANDARD_SCHEMA,
    LibraryManifest,
    LibraryStore,
    LibraryTotals,
)

N_ROWS, SHARD_ROWS, GROUP_ROWS = 47, 10, 4


def rows_of(n: int) -> pa.Table:
    columns: dict[str, object] = {
        field.name: [f"{field.name}-{k}" for k in range(n)]
        if pa.types.is_string(field.type)
        else list(range(n))
        for field in STANDARD_SCHEMA
    }
    table = pa.table(columns, schema=STANDARD_SCHEMA)
    return table.append_column("price", pa.array([k / 2 for k in range(n)]))


def write(folder: Folder) -> pa.Table:
    table = rows_of(N_ROWS)
    entries = []
    for shard, first in enumerate(range(0, N_ROWS, SHARD_ROWS)):
        path = f"shards/part-{shard:08d}.parquet"
        part = table.slice(first, SHARD_ROWS)
        entries.append((path, part.num_rows, folder.write_table(path, part, GROUP_ROWS), 1))
    columns = [pa.array(column) for column in zip(*entries, strict=True)]
    folder.write_table("manifest.parquet", pa.Table.from_arrays(columns, schema=SHARDS_SCHEMA))
    totals = LibraryTotals(
        read=N_ROWS,
        blank=0,
        isomers_added=0,
        kept=N_ROWS,
        duplicates=0,
        quarantined=0,
        quarantined_by_code={},
        undefined_stereo=0,
        n_heavy={3: N_ROWS},
        elements={"C": N_ROWS},
    )
    manifest = LibraryManifest(
        schema_version=SCHEMA_VERSION,
        screener_version="0",
        rdkit_version="0",
        settings={},
        inputs=[],
        totals=totals,
        columns=[(field.name, str(field.type)) for field in table.schema],
        shard_rows=SHARD_ROWS,
        duplicates=[],
        quarantine=[],
        digest=digest([entry[2] for entry in entries]),
    )
    folder.write_json("manifest.json", manifest.model_dump(mode="json"))
    return table


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> LibraryStore:
    folder = Folder(str(tmp_path_factory.mktemp("library")))
    write(folder)
    return LibraryStore.open(folder.url)


@given(st.integers(0, N_ROWS), st.integers(0, N_ROWS), st.booleans())
@settings(max_examples=60)
def test_any_range(library: LibraryStore, a: int, b: int, few: bool) -> None:
    start, stop = sorted((a, b))
    columns = ["price", "mol_id"] if few else None
    expected = rows_of(N_ROWS).slice(start, stop - start)
    assert library.read_range(start, stop, columns).equals(
        expected.select(columns) if columns else expected
    )


@given(st.lists(st.integers(0, N_ROWS - 1), max_size=30))
@settings(max_examples=60)
def test_any_rows_in_any_order(library: LibraryStore, rows: list[int]) -> None:
    table = library.read_rows(np.array(rows, dtype=np.int64), ["row", "smiles"])
    assert table["row"].to_pylist() == rows
    assert table["smiles"].to_pylist() == [f"smiles-{row}" for row in rows]


def test_only_the_row_groups_that_are_needed_are_read(
    library: LibraryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[list[int]] = []
    original = pa.parquet.ParquetFile.read_row_groups

    def noted(self: object, groups: list[int], **options: object) -> pa.Table:
        read.append(groups)
        return original(self, groups, **options)

    monkeypatch.setattr(pa.parquet.ParquetFile, "read_row_groups", noted)
    library.read_range(5, 7, ["row"])
    library.read_rows(np.array([0, 9, 12]), ["row"])
    assert read == [[1], [0, 2], [0]]


def test_rows_are_looked_up_by_texts_in_any_of_some_columns(library: LibraryStore) -> None:
    wanted = {"mol_id": ["mol_id-3", "mol_id-46"], "source_id": ["source_id-12", "mol_id-5"]}
    assert [rows.tolist() for rows in library.rows_with(wanted)] == [[3], [12], [46]]
    assert list(library.rows_with({"inchikey": ["mol_id-3"]})) == []


def test_what_it_says_of_itself(library: LibraryStore) -> None:
    assert library.n_rows == N_ROWS
    assert library.columns == [*STANDARD_SCHEMA.names, "price"]
    assert library.standard_columns == STANDARD_SCHEMA.names
    assert len(library.digest) == 32
    assert list(library.quarantine()) == list(library.duplicates()) == []


def test_rows_and_columns_that_are_not_there(library: LibraryStore) -> None:
    with pytest.raises(StoreError, match="rows 40 to 48 of a library with 47"):
        library.read_range(40, 48)
    with pytest.raises(StoreError, match="rows -1 to 3"):
        library.read_rows(np.array([3, -1]))
    with pytest.raises(StoreError, match=r"no column cost; .*price"):
        library.read_range(0, 1, ["cost"])


def test_in_memory_as_on_an_object_store() -> None:
    folder = Folder("memory://library-store")
    table = write(folder)
    library = LibraryStore.open(folder.url)
    assert library.read_range(8, 33).equals(table.slice(8, 25))
    fsspec.filesystem("memory").rm("/library-store", recursive=True)


def test_folders_that_hold_no_library(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="make one with `screener library build`"):
        LibraryStore.open(str(tmp_path))
    (tmp_path / "tmp").mkdir()
    with pytest.raises(StoreError, match="run the same `screener library build` again"):
        LibraryStore.open(str(tmp_path))


def test_broken_libraries(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    write(folder)
    values = folder.read_json("manifest.json")
    folder.write_json("manifest.json", values | {"schema_version": 0})
    with pytest.raises(SchemaError, match="schema version 0, this program reads 1"):
        LibraryStore.open(folder.url)
    folder.write_json("manifest.json", values | {"totals": {}})
    with pytest.raises(SchemaError, match=r"manifest.json is broken"):
        LibraryStore.open(folder.url)
    folder.write_json("manifest.json", values | {"totals": values["totals"] | {"kept": 3}})
    with pytest.raises(SchemaError, match="differ in their rows"):
        LibraryStore.open(folder.url).read_range(0, 2)
    folder.write_json("manifest.json", values)
    folder.write_bytes("shards/part-00000001.parquet", b"PAR1 cut")
    assert LibraryStore.open(folder.url).read_range(0, 9).num_rows == 9
    with pytest.raises(StoreError, match=r"part-00000001.parquet"):
        LibraryStore.open(folder.url).read_range(0, 12)
    folder.remove("shards/part-00000001.parquet")
    with pytest.raises(StoreError, match=r"part-00000001.parquet"):
        LibraryStore.open(folder.url).read_range(12, 13)
