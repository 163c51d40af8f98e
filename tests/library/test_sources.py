import gzip
from pathlib import Path

import pytest
import zstandard

from screener.errors import ConfigError
from screener.library.sources import find_sources, fingerprint, opened, require_content


def test_globs_urls_and_names(tmp_path: Path) -> None:
    for name in ("b.smi", "a.smi", "c.csv.gz", "x/a.smi"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("C")
    sources = find_sources([f"{tmp_path}/*.smi", f"file://{tmp_path}/c.csv.gz"])
    assert [source.name for source in sources] == ["a.smi", "b.smi", "c.csv.gz"]
    assert [source.format for source in sources] == ["smiles", "smiles", "csv"]
    assert sources[2].compression == "gzip"
    repeated = find_sources([f"{tmp_path}/a.smi", f"{tmp_path}/x/a.smi"])
    assert [source.name for source in repeated] == [f"{tmp_path}/a.smi", f"{tmp_path}/x/a.smi"]


def test_a_file_may_have_brackets_in_its_name(tmp_path: Path) -> None:
    path = tmp_path / "set[1].smi"
    path.write_text("C")
    assert [source.name for source in find_sources([str(path)])] == ["set[1].smi"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("missing.smi", "no file .*missing.smi"),
        ("*.smi", r"no file matches .*\*.smi"),
        (".", "is a folder"),
        ("a.doc", r"a.doc: unknown format '.doc'"),
        ("a.parquet.gz", "compresses itself"),
        ("nosuchprotocol://a.smi", "Protocol not known: nosuchprotocol"),
    ],
)
def test_what_cannot_be_an_input(
    entry: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.doc", "a.parquet.gz"):
        Path(name).write_text("C")
    with pytest.raises(ConfigError, match=message):
        list(map(require_content, find_sources([entry])))


def test_empty_and_repeated_inputs(tmp_path: Path) -> None:
    path = tmp_path / "a.smi"
    path.touch()
    with pytest.raises(ConfigError, match=r"a.smi is empty"):
        require_content(find_sources([str(path)])[0])
    with pytest.raises(ConfigError, match="more than once"):
        find_sources([str(path), str(path)])
    with pytest.raises(ConfigError, match="no input"):
        find_sources([])


def test_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    paths = [tmp_path / "a.smi", tmp_path / "b.smi"]
    for path in paths:
        path.write_text("CCO\n")
    first, second = (fingerprint(find_sources([str(path)])[0]) for path in paths)
    assert first.sha256 == second.sha256
    assert (first.bytes, first.name) == (4, "a.smi")


LINES = b"".join(b"CCO molecule-%d\n" % k for k in range(50_000))


@pytest.mark.parametrize(
    ("name", "packed"),
    [
        ("a.smi", LINES),
        ("a.smi.gz", gzip.compress(LINES)),
        ("a.smi.gz", gzip.compress(LINES[:1000]) + gzip.compress(LINES[1000:])),
        ("a.smi.zst", zstandard.compress(LINES)),
        ("a.smi.zst", zstandard.compress(LINES[:1000]) + zstandard.compress(LINES[1000:])),
    ],
    ids=["plain", "gzip", "two gzip members", "zstd", "two zstd frames"],
)
def test_compressed_files_give_all_their_bytes(name: str, packed: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(packed)
    with opened(find_sources([str(tmp_path / name)])[0]) as stream:
        assert stream.read() == LINES


@pytest.mark.parametrize(
    ("name", "packed"),
    [
        ("a.smi.gz", gzip.compress(LINES)[:-100]),
        ("a.smi.zst", zstandard.compress(LINES)[:-10]),
        ("a.smi.gz", b"not gzip"),
        ("a.smi.zst", b"not zstandard"),
    ],
)
def test_a_cut_or_broken_archive_is_noticed(name: str, packed: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(packed)
    source = find_sources([str(tmp_path / name)])[0]
    with pytest.raises(ConfigError, match=f"{name}: the compressed data"), opened(source) as stream:
        stream.read()
