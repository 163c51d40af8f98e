"""Our B3LYP/6-31G(2df,p) against QM9's: the largest deviations of small molecules.

    python tests/benchmarks/b3lyp_qm9.py [--molecules 60]

Half of the molecules contain fluorine: the smallest that QM9 has. The others are spread evenly over
those of up to six heavy atoms. QM9 gives orbital energies to 0.0001 hartree, so deviations of
0.0014 eV are its rounding; its dipoles have four decimals.
"""

import argparse
import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from screener.chemistry.b3lyp import with_b3lyp
from screener.execution.threads import one_thread
from screener.records import Structure
from screener.training.qm9 import molecules as qm9
from screener.units import KCAL_PER_HARTREE

MAX_HEAVY = 6
FLUORINE = 9


class Reference(NamedTuple):
    structure: Structure
    smiles: str
    energy_ha: float
    homo_ev: float
    lumo_ev: float
    dipole_debye: float


def references() -> Iterator[Reference]:
    """QM9's molecules, with electronic energies."""
    table = pd.concat(
        pd.read_csv(path, usecols=["Index", "ZPVE_au", "InternalEnergy_0K_au"], dtype=str)
        for path in qm9._files()
    )
    with_zero_point = table["InternalEnergy_0K_au"].map(qm9._number)
    energies = with_zero_point - table["ZPVE_au"].map(qm9._number)
    for entry, energy in zip(qm9.entries(), energies, strict=True):
        yield Reference(
            Structure(entry.atomic_numbers, entry.positions.astype(np.float32)),
            entry.smiles,
            energy,
            entry.homo_b3lyp_ev,
            entry.lumo_b3lyp_ev,
            entry.dipole_b3lyp_debye,
        )


def sample(n_molecules: int) -> dict[str, list[Reference]]:
    """The two halves."""
    known = list(references())
    n_half = n_molecules // 2
    fluorinated = [each for each in known if FLUORINE in each.structure.atomic_numbers]
    fluorinated.sort(key=lambda each: (n_heavy(each), each.structure.n_atoms))
    others = [
        each
        for each in known
        if n_heavy(each) <= MAX_HEAVY and FLUORINE not in each.structure.atomic_numbers
    ]
    chosen = np.linspace(0, len(others) - 1, n_half).astype(int)
    return {"fluorine": fluorinated[:n_half], "no fluorine": [others[place] for place in chosen]}


def n_heavy(molecule: Reference) -> int:
    return int(np.count_nonzero(molecule.structure.atomic_numbers > 1))


def deviations(molecule: Reference) -> dict[str, float]:
    """Ours minus QM9's."""
    values = with_b3lyp(molecule.structure).values
    return {
        "energy / kcal/mol": (values["energy_b3lyp_ha"] - molecule.energy_ha) * KCAL_PER_HARTREE,
        "HOMO / eV": values["homo_b3lyp_ev"] - molecule.homo_ev,
        "LUMO / eV": values["lumo_b3lyp_ev"] - molecule.lumo_ev,
        "dipole / D": values["dipole_b3lyp_debye"] - molecule.dipole_debye,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--molecules", type=int, default=60)
    arguments = parser.parse_args()
    one_thread()
    for name, half in sample(arguments.molecules).items():
        began = time.process_time()
        rows = {molecule.smiles: deviations(molecule) for molecule in half}
        table = pd.DataFrame.from_dict(rows, orient="index").abs()
        seconds = (time.process_time() - began) / len(half)
        print(f"{name}: {len(half)} molecules of {min(map(n_heavy, half))} to", end=" ")
        print(f"{max(map(n_heavy, half))} heavy atoms, {seconds:.1f} s each")
        summary = pd.DataFrame({"mean": table.mean(), "largest": table.max(), "at": table.idxmax()})
        print(f"{summary.to_string(float_format='%.4f')}\n", flush=True)


if __name__ == "__main__":
    main()
