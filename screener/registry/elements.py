"""Symbols, names and covalent radii of the elements, from RDKit's periodic table."""

from collections.abc import Collection
from functools import cache

from rdkit.Chem import GetPeriodicTable


@cache
def symbol_of(number: int) -> str:
    """The symbol of an element, such as `Cl` for 17."""
    return str(GetPeriodicTable().GetElementSymbol(number))


@cache
def number_of(symbol: str) -> int:
    """The atomic number of an element by its symbol.

    Raises:
        KeyError: there is no such element.
    """
    try:
        return int(GetPeriodicTable().GetAtomicNumber(symbol))
    except RuntimeError as error:
        raise KeyError(f"there is no element {symbol!r}") from error


@cache
def name_of(number: int) -> str:
    """The English name of an element in small letters, such as `fluorine`."""
    return str(GetPeriodicTable().GetElementName(number)).lower()


@cache
def covalent_radius(number: int) -> float:
    """Single-bond covalent radius, angstrom.

    References:
        Cordero et al., Dalton Trans. 2832 (2008), as RDKit has them.
    """
    return float(GetPeriodicTable().GetRcovalent(number))


def numbers_of(symbols: Collection[str]) -> tuple[int, ...]:
    """Atomic numbers of some elements, ascending."""
    return tuple(sorted(number_of(symbol) for symbol in symbols))


def symbols_of(numbers: Collection[int]) -> tuple[str, ...]:
    """Symbols of some elements, in the order of their atomic numbers."""
    return tuple(symbol_of(number) for number in sorted(numbers))
