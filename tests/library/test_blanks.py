"""Blanks in SMILES: what follows one is a name, an extension, or the reason to set a row aside."""

from pathlib import Path

import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from block_reading import read_in_blocks

from screener.chemistry.standardise import StandardiseSettings
from screener.errors import MoleculeError
from screener.library.blocks import entries, standardise_entry
from screener.library.readers import BlankCount, read_records
from screener.library.settings import Layout
from screener.library.sources import find_sources

CASE = Path(__file__).parents[1] / "cases" / "02_tokenised_smiles.csv"


def molecules(path: Path, folder: Path) -> list[str]:
    """The molecule of each record, or the code of what is wrong with it."""
    tables, _ = read_in_blocks([path], folder, Layout(first_block_rows=2, block_rows=2))
    results = []
    for table in tables:
        readable = iter(entries(table))
        for code in table["code"].to_pylist():
            try:
                results.append(
                    code
                    or standardise_entry(next(readable), StandardiseSettings()).molecules[0].smiles
                )
            except MoleculeError as error:
                results.append(error.code)
    return results


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".parquet"])
def test_rows_of_the_case_are_set_aside(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    table = pyarrow.csv.read_csv(CASE)
    if ending == ".parquet":
        pq.write_table(table, path)
    else:
        options = pyarrow.csv.WriteOptions(delimiter="\t" if ending == ".tsv" else ",")
        pyarrow.csv.write_csv(table, path, options)
    assert molecules(path, tmp_path / "tmp") == [*["blank_in_smiles"] * 4, "CCOC(C)=O"]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("CCO |$;;$|", "CCO"),
        ("CCO |$;;$| ethanol", "CCO"),
        ("  CCO\t", "CCO"),
        ("CCO ethanol", "blank_in_smiles"),
        ("CC O", "blank_in_smiles"),
        ("C C # N", "blank_in_smiles"),
        ("CCO |never closed", "blank_in_smiles"),
        ("CCO |a|b", "blank_in_smiles"),
        ("CCO 64-17-5 |a|", "blank_in_smiles"),
        ("CCO\u00a0ethanol", "blank_in_smiles"),
        ("CCO\tethanol", "blank_in_smiles"),
        ('"CCO\nCCN"', "blank_in_smiles"),
    ],
)
def test_a_blank_in_a_column(cell: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"id,smiles\n1,{cell}\n")
    assert molecules(path, tmp_path / "tmp") == [expected]


@pytest.mark.parametrize(
    ("line", "text", "name"),
    [
        ("C 1", "C", "1"),
        ("C methane", "C", "methane"),
        ("C\tC", "C", "C"),
        ("O 12 34", "O", "12 34"),
        ("N A5 (dry)", "N", "A5 (dry)"),
        ("CCO C1", "CCO", "C1"),
        ("CCO C C # N", "CCO", "C C # N"),
        ("C |c:1| C", "C |c:1|", "C"),
        ("C\t|c:1|\tC\tx", "C |c:1|", "C"),
        ("C # N", None, None),
        ("C C", None, None),
        ("C O\tmethanol", None, None),
        ("C C # N acetonitrile", None, None),
        ("C C # N\tacetonitrile", None, None),
        ("c 1 c c c c c 1", None, None),
        ("C 1 C C C O", None, None),
        ("O = C 1 O C C O 1", None, None),
        ("[Na+] . [Cl-]", None, None),
        ("Br C ( Cl ) [C@@H] %12", None, None),
    ],
)
def test_a_line_of_a_smiles_file_is_a_name_or_pieces(
    line: str, text: str | None, name: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "a.smi"
    path.write_text(f"CCO first\n{line}\n")
    _, record = read_records(find_sources([str(path)])[0], None, None, BlankCount())
    if text is None:
        assert record.error is not None
        assert record.error.code == "blank_in_smiles"
        assert record.text == line
        assert "without blanks" in record.error.message
    else:
        assert record.error is None
        assert (record.text, record.source_id) == (text, name)
