import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from screener.errors import ConfigError
from screener.library.lines import MAX_LINE_BYTES
from screener.library.readers import (
    MAX_SMILES_FILE_COLUMNS,
    BlankCount,
    Record,
    has_record,
    read_records,
)
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
    records = list(read_records(source, smiles_column, id_column, blank))
    assert has_record(source, smiles_column, id_column) == bool(records)
    return records, blank.n


def test_smiles_files(tmp_path: Path) -> None:
    records, n_blank = read(
        tmp_path / "a.smi", "CCO ethanol\r\n\r\n  \nC\nCC\tan id\trest\nCO |c:1| methanol b\nCCC"
    )
    assert [(r.line, r.text, r.source_id) for r in records] == [
        (1, "CCO", "ethanol"),
        (4, "C", ""),
        (5, "CC", "an id"),
        (6, "CO |c:1|", "methanol b"),
        (7, "CCC", ""),
    ]
    assert n_blank == 2


def test_what_follows_the_name_in_a_smiles_file_travels_along(tmp_path: Path) -> None:
    content = (
        "CCO\tx\t3.2\tred\n"
        "CC two words\t4\n"
        "C\t\t5\t\tblue\n"
        "CO\t|c:1|\tan id\t6\n"
        "CN |never closed\n"
        "CCC\tname\t\t\n"
    )
    records, _ = read(tmp_path / "a.smi", content)
    assert [(r.text, r.source_id, r.own) for r in records] == [
        ("CCO", "x", {"column_3": "3.2", "column_4": "red"}),
        ("CC", "two words", {"column_3": "4"}),
        ("C", "", {"column_3": "5", "column_4": "", "column_5": "blue"}),
        ("CO |c:1|", "an id", {"column_3": "6"}),
        ("CN", "|never closed", {}),
        ("CCC", "name", {}),
    ]
    (many,), _ = read(tmp_path / "b.smi", "C" + "\tx" * 5000 + "\n")
    assert len(many.own) == MAX_SMILES_FILE_COLUMNS - 1
    assert "".join(many.own.values()).count("x") == 4999


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


def test_tables_may_be_utf_16(tmp_path: Path) -> None:
    records, _ = read(tmp_path / "a.csv", "smiles;name\nCO;é\n".encode("utf-16"))
    assert [(r.text, r.source_id) for r in records] == [("CO", "é")]


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


@pytest.mark.parametrize("n_good", [0, 2, 40_000])
def test_a_quote_that_is_never_closed_costs_its_line_and_no_other(
    n_good: int, tmp_path: Path
) -> None:
    good = "".join(f"C{'C' * (k % 5)},{k}\n" for k in range(n_good))
    records, n_blank = read(tmp_path / "a.csv", 'smiles,id\nC,1\nCC,"open\n' + good + "\n")
    broken = [r for r in records if r.error is not None]
    assert [(r.line, r.text) for r in broken] == [(3, 'CC,"open')]
    assert broken[0].error is not None
    assert broken[0].error.code == "invalid_csv"
    assert "a quote that is not closed" in broken[0].error.message
    assert [r.source_id for r in records[2:]] == [str(k) for k in range(n_good)]
    assert [r.line for r in records] == list(range(2, 4 + n_good))
    assert n_blank == 1


@pytest.mark.parametrize(
    ("header", "separator"),
    [
        ("name;smiles;price", ";"),
        ("name\tSMILES\tprice", "\t"),
        ("smiles,name (a;b;c;d),price", ","),
        ('"smiles;old";smiles;x', ";"),
        ('"name, long";smiles;x', ";"),
    ],
)
@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_the_header_shows_the_separator(
    header: str, separator: str, ending: str, tmp_path: Path
) -> None:
    row = separator.join(["CO", "CO", "3,5" if separator == ";" else "3"])
    (record,), _ = read(tmp_path / f"a.{ending}", f"{header}\n{row}\n")
    assert record.error is None
    assert record.text == "CO"
    assert len(record.own) + (record.source_id != "") == 2


def test_a_named_column_shows_the_separator(tmp_path: Path) -> None:
    content = "smiles,old;structure\nC;CO\nC;CC;N\n"
    records, _ = read(tmp_path / "a.csv", content, "structure")
    assert [r.text for r in records] == ["CO", "CC"]
    assert records[1].error is not None
    assert records[1].error.message.endswith("put fields with semicolons in quotes")


def test_a_field_of_megabytes_is_told_as_a_long_line_is(tmp_path: Path) -> None:
    longer, long = "C" * (10 * MAX_LINE_BYTES), "C" * 200_000
    records, _ = read(tmp_path / "a.csv", f'smiles,id\n{longer},1\n{long},2\n"{long}",3\nC,4\n')
    errors = [(r.error.code, r.error.message) for r in records[:3] if r.error]
    assert errors == [
        ("too_long", "longer than 1048576 bytes; the rest is left out"),
        *[("too_long", "a field is longer than 131072 characters")] * 2,
    ]
    assert [r.line for r in records] == [2, 3, 4, 5]
    assert records[3].error is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n", "no column named smiles, .*it has a, b.*--smiles-column"),
        ("a;b;c,d\n1;2;3\n", "no column named smiles, .*it has a, b, c,d.*--smiles-column"),
        ('a,"smiles\nC,1\n', "line 1 is no list of columns: it opens a quote"),
        ("smiles,a,a\nC,1,2\n", r"2 columns \(2, 3\) are called 'a'"),
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
