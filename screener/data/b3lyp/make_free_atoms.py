"""Energies of free atoms at B3LYP/6-31G(2df,p), for `chemistry/free_atoms.py`.

    python screener/data/b3lyp/make_free_atoms.py

Unrestricted, ground-state multiplicities, by the level `b3lyp` itself.
"""

import numpy as np

from screener.chemistry.b3lyp import ELEMENTS, with_b3lyp
from screener.records import Structure
from screener.registry.elements import symbol_of

N_UNPAIRED = {"C": 2, "N": 3, "O": 2, "Si": 2, "P": 3, "S": 2}  # others have one


def main() -> None:
    for number in sorted(ELEMENTS):
        atom = Structure(
            np.array([number], dtype=np.uint8),
            np.zeros((1, 3), dtype=np.float32),
            n_unpaired=N_UNPAIRED.get(symbol_of(number), 1),
        )
        print(f"    {number}: {with_b3lyp(atom).values['energy_b3lyp_ha']:.6f},")


if __name__ == "__main__":
    main()
