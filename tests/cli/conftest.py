"""Running the command line as a person does, and small labelled files as one would bring them.

Molecules of the files are real; labels are made up from composition, at the size of real ones,
because real ones take hours.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rdkit import Chem

from screener.chemistry.identity import mol_id
from screener.chemistry.structures import StructureSettings, make_structure
from screener.cli.main import main
from screener.training.tables.sanity import D0_PER_ATOM

ENDS = ["C", "CC", "CCC", "C(C)C", "CCCC"]
GROUPS = ["O{}", "CO{}", "N#C{}", "O=C{}", "CC(=O){}", "COC(=O){}", "NC{}", "CN(C){}", "OCC{}",
          "COCO{}", "C1CC1{}", "C=C{}"]  # fmt: skip


def molecules() -> list[str]:
    """Sixty or so canonical SMILES, no two of one connectivity."""
    made = [Chem.CanonSmiles(group.format(end)) for end in ENDS for group in GROUPS]
    return list(dict.fromkeys(made))


def made_up(smiles: list[str]) -> dict[str, list[float]]:
    """Labels of the size of real ones."""
    rows = []
    for text in smiles:
        numbers = [a.GetAtomicNum() for a in Chem.AddHs(Chem.MolFromSmiles(text)).GetAtoms()]
        counts = {number: numbers.count(number) for number in (1, 6, 7, 8, 9)}
        size, polar = len(numbers), counts[7] + counts[8]
        energy = sum(counts[number] * D0_PER_ATOM[number] for number in counts)
        energy += 4.0 * np.sin(size)
        rows.append((energy, -7.0 + counts[6] / size, 2.0 - 9.0 * polar / size, 1.0 + polar))
    return {
        name: [float(value) for value in values]
        for name, values in zip(
            ("energy", "homo", "lumo", "dipole"), zip(*rows, strict=True), strict=True
        )
    }


@pytest.fixture(scope="session")
def outside_columns() -> dict[str, list]:
    """SMILES, geometries by MMFF94 and labels of some sixty molecules."""
    smiles = molecules()
    structures = [make_structure(text, mol_id(text), StructureSettings()) for text in smiles]
    return {
        "smiles": smiles,
        "numbers": [each.atomic_numbers.tolist() for each in structures],
        "flat": [each.positions.ravel().tolist() for each in structures],
        "nested": [each.positions.tolist() for each in structures],
        **made_up(smiles),
    }


@pytest.fixture
def write_table(tmp_path: Path) -> Callable[..., str]:
    """Write columns as Parquet; returns the path."""

    def write(columns: dict[str, list], name: str = "labels.parquet") -> str:
        path = tmp_path / name
        pq.write_table(pa.table(columns), path)
        return str(path)

    return write


@pytest.fixture
def screener(monkeypatch, capsys):
    """Run the command line; returns exit code, standard output and standard error."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["screener", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err

    return run
