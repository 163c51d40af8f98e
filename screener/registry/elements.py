"""Symbols, names and covalent radii of the elements, from RDKit's periodic table, and named sets of
them."""

from collections.abc import Collection
from functools import cache

from rdkit.Chem import GetPeriodicTable

N_ELEMENTS = 118
ANY_VALENCE = 8  # of elements whose valence RDKit does not limit

# sets of elements, symbols in the order of their atomic numbers
QM9_ELEMENTS = ("H", "C", "N", "O", "F")
G4MP2_ELEMENTS = ("H", "B", "C", "N", "O", "F", "Si", "P", "S", "Cl")  # of the labels at G4MP2
ORGANIC_ELEMENTS = (*G4MP2_ELEMENTS, "Br")  # what a library takes unless it is told otherwise
# that are counted together where the spread of errors is told: `models.uncertainty.spread`
SPREAD_GROUPS = (("N",), ("O",), ("F", "Cl"), ("B", "Si", "P", "S"))


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


@cache
def most_bonds(number: int) -> int:
    """To how many atoms an atom is bonded at most, in neutral molecules and common cations.

    The largest valence that RDKit lists, or the smallest and one more where an atom has a lone pair
    to bind a further one with, as in ammonium and oxonium; `ANY_VALENCE` where RDKit lists none.
    """
    table = GetPeriodicTable()
    valences = [int(each) for each in table.GetValenceList(number)]
    if -1 in valences:
        return ANY_VALENCE
    has_pair = table.GetNOuterElecs(number) in (5, 6)
    return max(*valences, valences[0] + has_pair)


def numbers_of(symbols: Collection[str]) -> tuple[int, ...]:
    """Atomic numbers of some elements, ascending."""
    return tuple(sorted(number_of(symbol) for symbol in symbols))


def symbols_of(numbers: Collection[int]) -> tuple[str, ...]:
    """Symbols of some elements, in the order of their atomic numbers."""
    return tuple(symbol_of(number) for number in sorted(numbers))
