"""What chemists call the known electrolyte molecules: names, abbreviations and CAS numbers.

The lists are `known-molecules.csv` and `molecules-in-use.csv` in `screener/data/examples`. A name
there may end with an abbreviation in brackets, as in "fluoroethylene carbonate (FEC)". Capitals,
blanks and hyphens do not matter.
"""

import csv
import re
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from importlib.resources import files

_LISTS = ("known-molecules.csv", "molecules-in-use.csv")
_SHORT = re.compile(r"(.*\S) \(([^()]*)\)")
_CAS = re.compile(r"\d{2,7}-\d\d-\d")
_GREEK = {"α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon"}
_ALIKE = 0.75  # of two names, so that one is suggested for the other


@dataclass(frozen=True, slots=True)
class KnownMolecule:
    """A molecule of the lists.

    Args:
        name: as it stands there, with the abbreviation in brackets.
        smiles: without stereochemistry, where the name says nothing of it.
        cas: empty where they have none.
    """

    name: str
    smiles: str
    cas: str

    @property
    def names(self) -> tuple[str, ...]:
        """All that it is called: as it stands in the list, without abbreviation, abbreviation."""
        found = _SHORT.fullmatch(self.name)
        return (self.name, found[1], found[2].split(", ")[0]) if found else (self.name,)


@lru_cache(maxsize=1)
def known_molecules() -> tuple[KnownMolecule, ...]:
    """Both lists, in their order."""
    folder = files("screener.data") / "examples"
    return tuple(
        KnownMolecule(row["known_as"], row["smiles"], row["cas"])
        for name in _LISTS
        for row in csv.DictReader((folder / name).read_text(encoding="utf-8").splitlines())
    )


def known_as(text: str) -> list[KnownMolecule]:
    """The known molecules that have a name, an abbreviation or a CAS number.

    Args:
        text: as a person writes it.
    Returns:
        none, one, or several where the name is that of several.
    """
    if is_cas_number(text):
        return [each for each in known_molecules() if each.cas == text.strip()]
    key = _key(text)
    return [each for each in known_molecules() if key in map(_key, each.names)]


def is_cas_number(text: str) -> bool:
    """Whether a text has the form of a CAS number, whatever its check digit."""
    return _CAS.fullmatch(text.strip()) is not None


def has_check_digit(cas: str) -> bool:
    """Whether the last digit of a CAS number follows from the others, as it does in every one."""
    *digits, check = (int(each) for each in cas if each.isdigit())
    return sum(n * digit for n, digit in enumerate(reversed(digits), 1)) % 10 == check


def names_like(text: str, n: int = 3) -> list[str]:
    """The names of known molecules that are most like a text, best first.

    Args:
        text: as a person writes it, perhaps misspelt.
        n: how many at most.
    Returns:
        names as they stand in the list; none where nothing is alike.
    """
    by_key = {_key(name): each.name for each in known_molecules() for name in each.names}
    near = get_close_matches(_key(text), by_key, n=2 * n, cutoff=_ALIKE)
    return list(dict.fromkeys(by_key[key] for key in near))[:n]


def _key(text: str) -> str:
    for letter, name in _GREEK.items():
        text = text.replace(letter, name)
    return re.sub(r"[\s_-]", "", text).casefold()
