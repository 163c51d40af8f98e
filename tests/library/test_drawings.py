"""What the library makes of drawings: molecules of those that show one, reasons of the others."""

from pathlib import Path

import pytest
from block_reading import read_in_blocks
from drawing_corpus import Drawing, files, invalid, valid

from screener.chemistry.standardise import StandardiseSettings
from screener.errors import MoleculeError
from screener.library.blocks import entries, standardise_entry
from screener.library.settings import Layout


def outcomes(paths: list[Path], temporary: Path) -> dict[str, str]:
    """By id: the canonical SMILES of a record, or the code of the reason why it has none."""
    found: dict[str, str] = {}
    settings = StandardiseSettings()
    for records in read_in_blocks(paths, temporary, Layout())[0]:
        ids = records["source_id"].to_pylist()
        for source_id, entry in zip(ids, entries(records), strict=True):
            try:
                (molecule,) = standardise_entry(entry, settings).molecules
                found[source_id] = molecule.smiles
            except MoleculeError as error:
                found[source_id] = error.code if error.message else "no message"
    return found


CASES = Path(__file__).parents[1] / "cases"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "04_aromatic_bond_outside_ring.smi",
            ["impossible_aromaticity"] * 9 + ["COC(C)=O", "CC(C)=O", "CC(=O)O"],
        ),
        ("04_bond_types.sdf", ["impossible_aromaticity"] * 2 + ["query"] * 2 + ["CCO"]),
        ("08_alias_and_polymer.sdf", ["abbreviation"] * 2 + ["repeat_unit", "COCCOC"]),
    ],
)
def test_cases(name: str, expected: list[str], tmp_path: Path) -> None:
    assert list(outcomes([CASES / name], tmp_path).values()) == expected


@pytest.mark.parametrize("drawings", [valid(), invalid()], ids=["valid", "invalid"])
def test_200_drawings_are_read_or_refused_for_the_right_reason(
    drawings: list[Drawing], tmp_path: Path
) -> None:
    paths = []
    for ending, content in files(drawings):
        paths.append(tmp_path / f"drawings{ending}")
        paths[-1].write_text(content)
    found = outcomes(paths, tmp_path / "temporary")
    expected = {each.name: each.expected for each in drawings}
    assert len(expected) == len(drawings) == 200
    wrong = {name: (found.get(name), expected[name]) for name in expected}
    assert not {name: pair for name, pair in wrong.items() if pair[0] != pair[1]}
    assert found.keys() == expected.keys()
