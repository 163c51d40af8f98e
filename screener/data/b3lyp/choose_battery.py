"""Write `battery_molecules.csv`: molecules to label at B3LYP, of the kinds that QM9 lacks.

    python screener/data/b3lyp/choose_battery.py BATT_SLM.smi.gz

Most are from Batt-SLM (Teoroo-CMC/Batt-SLM at 1899eeb, MIT licence, (c) 2026 Z.-Y. Zhang), which
has no silicon and no boron; those are put together from `SILICON` and `BORON`. Of each class as
many are taken: half at random, so that what is common is there, and half by the MaxMin algorithm
over fingerprints (Ashton et al., Quant. Struct.-Act. Relat. 21, 598 (2002)), so that what is rare
is. Classes take turns, so that whatever is labelled first has all of them.
"""

import argparse
import csv
import gzip
import itertools
import random
from collections.abc import Iterator
from pathlib import Path

from rdkit import Chem, SimDivFilters, rdBase

from screener.chemistry.fingerprints import fingerprint
from screener.chemistry.standardise import StandardiseSettings, standardise
from screener.errors import MoleculeError

TARGET = Path(__file__).with_name("battery_molecules.csv")
SEED = 0
N_PER_CLASS = 100
N_LOOKED_AT = 4_000  # of each class, drawn at random
SMALLEST, LARGEST = 4, 13  # heavy atoms; the cost goes with the third power of the size
LARGE = 10
# class: what a molecule has; the first that fits counts
CLASSES = {
    "P": "[#15]",
    "S, oxidised": "[#16]=O",
    "S": "[#16]",
    "Cl": "Cl",
    "F on sp3 carbon": "[CX4]F",
}
ENDS = ("C", "CC", "CCF", "CC(F)F", "CC(F)(F)F", "CC=C", "CC#N", "CCOC", "CCC", "C=C", "c1ccccc1")
SILICON = (
    "C[Si](C)(C){0}", "C[Si](C)({0}){1}", "C[Si](C)(C)O{0}", "C[Si](C)(O{0})O{1}", "C[Si](C)(F){0}",
    "C[Si](C)(C)O[Si](C)(C){0}", "C[Si](C)(Cl){0}", "C[Si](C)(C)N(C){0}", "CO[Si](OC)(OC){0}",
    "C[Si](C)(C)OC(=O){0}", "C[Si]9(C)CCCO9", "C[Si](C)(C)COC(=O)O{0}", "[SiH3]{0}", "C[SiH](C){0}",
)  # fmt: skip
BORON = (
    "B(O{0})(O{0})O{0}", "B(O{0})(O{0})O{1}", "CB(O{0})O{1}", "C{0}B9OCCO9", "O({0})B9OCCO9",
    "O({0})B9OC(=O)C(=O)O9", "CB({0})O{1}", "FB(O{0})O{1}", "CB(C)O{0}", "B9(O{0})OCCCO9",
)  # fmt: skip


def main() -> None:
    """Choose and write."""
    rdBase.DisableLog("rdApp.*")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("batt_slm", type=Path)
    arguments = parser.parse_args()
    with gzip.open(arguments.batt_slm, "rt", encoding="utf-8") as lines:
        given = [line.split()[0] for line in lines]
    random.Random(SEED).shuffle(given)
    pools: dict[str, list[str]] = {name: [] for name in (*CLASSES, "large", "Si", "B")}
    for smiles in given:
        name = class_of(smiles)
        if name is not None and len(pools[name]) < N_LOOKED_AT:
            pools[name].append(smiles)
    pools["Si"], pools["B"] = list(made_of(SILICON)), list(made_of(BORON))
    chosen = {name: spread(pool) for name, pool in pools.items()}
    turns = itertools.zip_longest(*([(name, s) for s in some] for name, some in chosen.items()))
    rows = [row for turn in turns for row in turn if row is not None]
    with TARGET.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["id", "smiles", "class"])
        table.writerows(
            (f"battery-{number:04d}", smiles, name) for number, (name, smiles) in enumerate(rows)
        )
    print({name: len(some) for name, some in chosen.items()})


def class_of(smiles: str) -> str | None:
    """The class of a molecule, None where it is none that is wanted."""
    molecule = Chem.MolFromSmiles(smiles)
    if molecule is None or not SMALLEST <= molecule.GetNumHeavyAtoms() <= LARGEST:
        return None
    for name, pattern in _PATTERNS.items():
        if molecule.HasSubstructMatch(pattern):
            return name
    return "large" if molecule.GetNumHeavyAtoms() >= LARGE else None


_PATTERNS = {name: Chem.MolFromSmarts(smarts) for name, smarts in CLASSES.items()}


def made_of(templates: tuple[str, ...]) -> Iterator[str]:
    """All molecules of templates, each once."""
    seen = set()
    for template in templates:
        for ends in itertools.product(ENDS, repeat=2):
            molecule = Chem.MolFromSmiles(template.format(*ends))
            if molecule is not None and molecule.GetNumHeavyAtoms() <= LARGEST:
                seen.add(Chem.MolToSmiles(molecule))
    yield from sorted(seen)


def spread(pool: list[str]) -> list[str]:
    """`N_PER_CLASS`, as a library standardises them, common and rare ones by turns."""
    standard = list(dict.fromkeys(filter(None, map(standardised, pool))))
    random.Random(SEED).shuffle(standard)
    n_wanted = min(N_PER_CLASS, len(standard))
    common = list(range(n_wanted // 2))
    prints = [fingerprint(Chem.MolFromSmiles(each)) for each in standard]
    picked = SimDivFilters.MaxMinPicker().LazyBitVectorPick(
        prints, len(prints), n_wanted, firstPicks=common, seed=SEED
    )
    rare = list(picked)[len(common) :]
    by_turns = itertools.zip_longest(common, rare)
    return [standard[place] for turn in by_turns for place in turn if place is not None]


def standardised(smiles: str) -> str | None:
    """The first stereoisomer that a library keeps; None where it keeps none."""
    try:
        return standardise(smiles, StandardiseSettings())[0].smiles
    except MoleculeError:
        return None


if __name__ == "__main__":
    main()
