"""How many GFN2 optimisations end on a pass, how far they fall from it, and what looking costs.

python tests/benchmarks/passes.py [--molecules N] [--seed SEED]
"""

import argparse
import time
from importlib.resources import files

import numpy as np
import pandas as pd

from screener.chemistry.gfn2 import Gfn2
from screener.chemistry.identity import mol_id
from screener.chemistry.levels import GFN2_OPT, Gfn2OptSettings
from screener.chemistry.optimise import Walk, followed, minimisation
from screener.chemistry.saddles import true_minimum
from screener.chemistry.structures import StructureSettings, make_structure
from screener.execution.threads import one_thread
from screener.records import Structure
from screener.units import ANGSTROM_PER_BOHR, KCAL_PER_HARTREE

Raw = argparse.RawDescriptionHelpFormatter
EXAMPLE = files("screener") / "data" / "examples" / "battery-candidates.csv"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=Raw)
    parser.add_argument("--smiles", help="one in each line; default: the example library")
    parser.add_argument("--molecules", type=int, default=300, help="drawn at random")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    one_thread()
    if arguments.smiles is None:
        everything = pd.read_csv(str(EXAMPLE))["smiles"]
    else:
        everything = pd.read_csv(arguments.smiles, sep=r"\s+", header=None, usecols=[0])[0]
    seconds = np.zeros(2)
    fallen = {}
    drawn = everything.sample(arguments.molecules, random_state=arguments.seed)
    for smiles in drawn:
        start = make_structure(smiles, mol_id(smiles), StructureSettings())
        energies = []
        for place, walk in enumerate((minimisation, true_minimum)):
            began = time.perf_counter()
            energies.append(energy_after(walk, start))
            seconds[place] += time.perf_counter() - began
        if (by := energies[0] - energies[1]) > 0.01:
            fallen[smiles] = by
    for smiles, by in sorted(fallen.items(), key=lambda each: -each[1]):
        print(f"{by:7.2f} kcal/mol  {smiles}")
    print(
        f"{GFN2_OPT.name}: {len(fallen)} of {arguments.molecules} optimisations ended on a pass, "
        f"{sum(by > 1.0 for by in fallen.values())} of them more than 1 kcal/mol above where it "
        f"leads; {arguments.molecules / seconds[0]:.1f} molecules/s without looking, "
        f"{arguments.molecules / seconds[1]:.1f} with"
    )


def energy_after(walk: Walk, start: Structure) -> float:
    """Of the minimum that is reached, kcal/mol."""
    settings = Gfn2OptSettings()
    gfn2 = Gfn2(start.atomic_numbers, start.positions.astype(float) / ANGSTROM_PER_BOHR)
    steps = walk(
        start.atomic_numbers, start.positions, settings.force_threshold, settings.max_steps
    )
    minimum = followed(gfn2.energy_and_gradient, steps)
    energy: float = gfn2.add_to(Structure(start.atomic_numbers, minimum.positions)).values[
        "energy_gfn2_ha"
    ]
    return energy * KCAL_PER_HARTREE


if __name__ == "__main__":
    main()
