"""Candidate solvents by the million: every left part with every linker and every right part.

A stand-in for a large file from elsewhere, made by putting SMILES together as text: carbonates,
ethers, esters, amides, sulfones, nitriles, phosphates and their fluorinated, branched and cyclic
forms, in an order that mixes them. A third come up more than once, as in a file that was put
together from several, and one in five hundred is no molecule.
"""

import random
from collections.abc import Iterator
from pathlib import Path

_RINGS = (
    *("C1CC1", "C1CCC1", "C1CCCC1", "C1CCOC1", "C1OCCOC1"),
    *("c1ccccc1", "c1ccoc1", "c1ccncc1", "Fc1ccccc1"),
)
# open at the last atom, which has a free valence
_LEFT = [
    *("C" * n for n in range(1, 7)),
    *(f"{'C' * n}C(C)" for n in range(1, 5)),
    *(f"{'C' * n}C(C)(C)" for n in range(1, 4)),
    *(
        f"{head}{'C' * n}"
        for head in ("FC(F)(F)", "FC(F)", "FC", "N#C", "C=C")
        for n in range(1, 4)
    ),
    *(f"C{'OCC' * n}" for n in range(1, 5)),
    *(f"{ring}{'C' * n}" for ring in _RINGS for n in range(1, 4)),
    *(f"{'C' * n}S(=O)(=O)C" for n in range(1, 4)),
]
# open at both ends
_LINKERS = [
    *("OC(=O)O", "C(=O)O", "OC(=O)", "C(=O)", "OC(=O)C(=O)O", "OC(=O)CC(=O)O", "OC(=O)OCCOC(=O)O"),
    *("O", "OCO", "COC", "OCCO", "C(OC)C", "C1OCC(O1)", "C1OC(=O)OC1", "OC(=O)c1ccccc1C(=O)O"),
    *("C(=O)N", "C(=O)N(C)", "N(C)C(=O)", "N(C)C", "C(C#N)C"),
    *("S(=O)(=O)", "S(=O)", "OP(=O)(OC)O", "[Si](C)(C)O"),
    *("CC(F)C", "CC(F)(F)C", "OC(F)(F)C(F)(F)O"),
    *("C1CC1", "C1CCC(C1)", "c1ccc(cc1)"),
]
# open at the first atom
_RIGHT = [part for part in _LEFT if part[0] == "C" and "1" not in part]


def candidates(n: int, seed: int = 0) -> Iterator[str]:
    """`n` lines of a SMILES file, always the same for the same `n` and seed."""
    generator = random.Random(seed)
    for i in range(n):
        smiles = _molecule(generator)
        yield f"{smiles}(C broken-{i}" if generator.random() < 0.002 else f"{smiles} made-{i}"


def _molecule(generator: random.Random) -> str:
    middle = generator.choice(_LINKERS)
    if generator.random() < 0.7:
        middle += "C" * generator.randint(1, 2) + generator.choice(_LINKERS)
    return f"{generator.choice(_LEFT)}{middle}{generator.choice(_RIGHT)}"


def write(path: Path, n: int) -> Path:
    """The lines as a file."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in candidates(n))
    return path
