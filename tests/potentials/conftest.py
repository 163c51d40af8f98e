"""Molecules and ions at geometries of MMFF94, and the published model to compare with."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from screener.chemistry.identity import mol_id
from screener.chemistry.structures import StructureSettings, make_structure
from screener.execution.threads import one_thread
from screener.potentials.aimnet2 import weights
from screener.potentials.aimnet2.potential import AimNet2
from screener.records import Structure

SMILES = [
    "C1COC(=O)O1", "O=C1OCC(F)O1", "CS(C)(=O)=O", "COP(=O)(OC)OC", "C[Si](C)(C)Cl", "CB(O)O",
    "O=S(=O)([O-])C(F)(F)F", "CC[N+](C)(C)C", "COCCOCCOC", "Brc1ccccc1", "CCI", "N#CCCC#N",
    "O=C(O)c1ccc(Cl)cc1", "[H][H]", "O", "F[B-](F)(F)F",
]  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    one_thread()  # as chemistry processes have


@pytest.fixture(scope="session")
def structures() -> list[Structure]:
    return [make_structure(each, mol_id(each), StructureSettings()) for each in SMILES]


@pytest.fixture(scope="session")
def potential() -> AimNet2:
    return AimNet2()


class Original:
    """The archive as it is, run by torch, one molecule at a time.

    Its energies of elements are added in single precision, which rounds energies of molecules to
    1e-3 eV, so they are taken out here and added in double precision.
    """

    def __init__(self, path: Path) -> None:
        with pytest.warns(DeprecationWarning, match="torch.jit.load"):
            self._model = torch.jit.load(path, map_location="cpu")
        shifts = []
        with torch.no_grad():
            for name, values in self._model.state_dict().items():
                if "atomic_shift" in name:
                    shifts.append(values[:, 0].double())
                    values.zero_()
        self._shifts = torch.stack(shifts).mean(dim=0)

    def __call__(self, structure: Structure) -> dict[str, np.ndarray]:
        numbers = torch.from_numpy(structure.atomic_numbers.astype(np.int64))
        out = self._model(
            {
                "coord": torch.from_numpy(structure.positions)[None],
                "numbers": numbers[None],
                "charge": torch.tensor([float(structure.charge)]),
            }
        )
        energy = out["energy"].double() + self._shifts[numbers].sum()
        return {
            "energy": energy.detach().numpy()[0],
            "forces": out["forces"].detach().numpy()[0],
            "charges": out["charges"].detach().numpy()[0],
        }


@pytest.fixture(scope="session")
def original() -> Original:
    return _original()


@cache
def _original() -> Original:
    return Original(weights.archive())
