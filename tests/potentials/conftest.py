"""Molecules and ions at geometries of MMFF94, and the published model to compare with."""

import pytest
from published_aimnet2 import Published

from screener.chemistry.identity import mol_id
from screener.chemistry.structures import StructureSettings, make_structure
from screener.potentials.aimnet2.potential import AimNet2
from screener.records import Structure

SMILES = [
    "C1COC(=O)O1", "O=C1OCC(F)O1", "CS(C)(=O)=O", "COP(=O)(OC)OC", "C[Si](C)(C)Cl", "CB(O)O",
    "O=S(=O)([O-])C(F)(F)F", "CC[N+](C)(C)C", "COCCOCCOC", "Brc1ccccc1", "CCI", "N#CCCC#N",
    "O=C(O)c1ccc(Cl)cc1", "[H][H]", "O", "F[B-](F)(F)F",
]  # fmt: skip


@pytest.fixture(scope="session")
def structures() -> list[Structure]:
    return [make_structure(each, mol_id(each), StructureSettings()) for each in SMILES]


@pytest.fixture(scope="session")
def potential() -> AimNet2:
    return AimNet2()


@pytest.fixture(scope="session")
def published() -> Published:
    return Published()
