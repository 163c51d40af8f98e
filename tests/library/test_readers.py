import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from screener.errors import ConfigError
from screener.library.lines import MAX_LINE_BYTES
from screener.library.readers import BlankCount, Record, check_text_source, read_records
from screener.library.sources import find_sources

ETHANOL = """ethanol
  program

  3  2  0  0  0  0  0  0  0  0999 V2000
    0.0000    0.0000    0.0000 C   0  0
    1.5000    0.0000    0.0000 C   0  0
    2.0000    1.4000    0.0000 O   0  0
  1  2  1  0
  2  3  1  0
M  END
"""


def read(
    path: Path,
    content: str | bytes,
    smiles_column: str | None = None,
    id_column: str | None = None,
) -> tuple[list[Record], int]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    source = find_sources([str(path)])[0]
    blank = BlankCount()
    check_text_source(source, smiles_column, id_column)
    return list(read_records(source, smiles_column, id_column, blank)), blank.n


def test_smiles_files(tmp_path: Path) -> None:
    records, n_blank = read(
        tmp_path / "a.smi", "CCO ethanol\r\n\r\n  \nC\nCC\tan id\trest\nCO |c:1| methanol b\nCCC"
    )
    assert [(r.line, r.text, r.source_id) for r in records] == [
        (1, "CCO", "ethanol"),
        (4, "C", ""),
        (5, "CC", "an id"),
        (6, "CO", "methanol b"),
        (7, "CCC", ""),
    ]
    assert n_blank == 2


@pytest.mark.parametrize(
    "content",
    [
        "CO é\nCC ü\n".encode("latin-1"),
        "CO é\nCC ü\n".encode(),
        "\ufeffCO é\nCC ü\n".encode(),
        "CO é\nCC ü\n".encode("utf-16"),
        "\ufeffCO é\r\nCC ü\r\n".encode("utf-16-be"),
    ],
    ids=["latin-1", "utf-8", "utf-8 with mark", "utf-16", "utf-16 big endian"],
)
def test_encodings(content: bytes, tmp_path: Path) -> None:
    records, _ = read(tmp_path / "a.smi", content)
    assert [(r.text, r.source_id) for r in records] == [("CO", "é"), ("CC", "ü")]


def test_long_lines_and_nul_bytes_are_records(tmp_path: Path) -> None:
    long = b"C" * (10 * MAX_LINE_BYTES + 7)
    records, _ = read(tmp_path / "a.smi", b"CO\n" + long + b"\nC\x00C nul\nCC last\n" + long)
    assert [r.error.code if r.error else None for r in records] == [
        None,
        "too_long",
        None,
        None,
        "too_long",
    ]
    assert [r.line for r in records] == [1, 2, 3, 4, 5]
    assert records[2].text == "C\x00C"
    assert all(len(r.text) <= MAX_LINE_BYTES for r in records)


def test_csv_columns_and_quoting(tmp_path: Path) -> None:
    content = (
        "Name,SMILES,price,note\n"
        'DMC,COC(=O)OC,3.5,"two\nlines, quoted"\n'
        "\n"
        ' EC ,"O=C1OCCO1",,\n'
        "short,CC\n"
        "C,CCC,1,2,3\n"
    )
    records, n_blank = read(tmp_path / "a.csv", content)
    assert [(r.line, r.text, r.source_id) for r in records] == [
        (2, "COC(=O)OC", "DMC"),
        (5, "O=C1OCCO1", "EC"),
        (6, "CC", "short"),
        (7, "CCC", "C"),
    ]
    assert records[0].own == {"price": "3.5", "note": "two\nlines, quoted"}
    assert records[2].own == {"price": "", "note": ""}
    assert records[3].error is not None
    assert "5 fields" in records[3].error.message
    assert n_blank == 1


def test_named_columns_and_tsv(tmp_path: Path) -> None:
    content = "cas\tname\tsmiles\tmy structure\n64-17-5\tx\tignored\tCCO\n"
    records, _ = read(tmp_path / "a.tsv", content, "my structure", "cas")
    assert (records[0].text, records[0].source_id) == ("CCO", "64-17-5")
    assert records[0].own == {"name": "x", "smiles": "ignored"}


def test_a_quote_that_is_never_closed_costs_a_record_and_not_the_file(tmp_path: Path) -> None:
    good = "".join(f"C{'C' * (k % 5)},{k}\n" for k in range(40_000))
    records, _ = read(tmp_path / "a.csv", 'smiles,id\nC,1\nCC,"open\n' + good)
    broken = [r for r in records if r.error is not None]
    assert [r.line for r in broken] == [3]
    assert broken[0].text == 'CC,"open'
    assert "lines 3 to " in broken[0].error.message  # type: ignore[union-attr]
    assert records[-1].source_id == "39999"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n", "no column named smiles, .*it has a, b.*--smiles-column"),
        ("smiles,a,a\nC,1,2\n", "repeat"),
        ("smiles,,b\nC,1,2\n", "are empty"),
        ("\n\n", "no line that names"),
    ],
)
def test_tables_without_a_usable_header(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        read(tmp_path / "a.csv", content)


def test_a_named_column_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no column 'Structure' \(--smiles-column\)"):
        read(tmp_path / "a.csv", "smiles\nC\n", "Structure")
    with pytest.raises(ConfigError, match=r"no column 'cas' \(--id-column\)"):
        read(tmp_path / "b.csv", "smiles\nC\n", None, "cas")


def test_sdf(tmp_path: Path) -> None:
    content = (
        ETHANOL
        + "> <price>\n12\n\n>  25 <note> (1)\nfirst\nsecond\n\n$$$$\n"
        + ETHANOL.replace("ethanol", "")
        + "$$$$\n\n$$$$\n"
        + ETHANOL.replace("ethanol", "last")
    )
    records, n_blank = read(tmp_path / "a.sdf", content.replace("\n", "\r\n"))
    assert [r.source_id for r in records] == ["ethanol", "", "", "last"]
    assert records[0].own == {"price": "12", "note": "first\nsecond"}
    assert records[0].text == ETHANOL
    assert [r.line for r in records] == [1, 19, 30, 32]
    assert n_blank == 0
    by_price, _ = read(tmp_path / "b.sdf", content, id_column="price")
    assert (by_price[0].source_id, by_price[0].own) == ("12", {"note": "first\nsecond"})


def test_an_sdf_record_without_end_is_cut(tmp_path: Path) -> None:
    records, _ = read(tmp_path / "a.sdf", ETHANOL + "x\n" * 600_000 + "$$$$\n" + ETHANOL)
    assert [r.error.code if r.error else None for r in records] == ["too_long", None]
    assert len(records[0].text) < 1_100_000


@given(
    lines=st.lists(
        st.binary(max_size=30).filter(lambda line: b"\n" not in line and b"\r" not in line),
        max_size=30,
    )
)
@settings(deadline=None, max_examples=60)
def test_every_line_of_a_smiles_file_is_a_record_or_blank(
    lines: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("lines") / "a.smi.gz"
    # the first line is plain, as a byte order mark says how to read the rest
    path.write_bytes(gzip.compress(b"\n".join([b"C", *lines]) + b"\n"))
    blank = BlankCount()
    records = list(read_records(find_sources([str(path)])[0], None, None, blank))
    assert len(records) + blank.n == len(lines) + 1
    assert [r.line for r in records] == sorted({r.line for r in records})
