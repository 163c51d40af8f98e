"""The limits of an enumeration, and the check of one molecule against them.

`Judge` gives the canonical SMILES of a molecule that is inside the limits, and counts the reason
for each one that is not.
"""

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, field_validator
from pydantic import model_validator as check_model
from rdkit import Chem
from rdkit.Chem import FilterCatalog, rdqueries

from screener.chemistry.coordination import drawn_coordinations
from screener.enumeration.parts import Composition
from screener.registry.elements import QM9_ELEMENTS

N_VERDICTS = 65_536  # results kept in a cache: mutations meet the same molecules again and again
_RADICAL = rdqueries.NumRadicalElectronsGreaterQueryAtom(0)


class Limits(BaseModel):
    """The limits of a specification.

    Args:
        elements: symbols of the elements that may occur, hydrogen included.
        min_heavy, max_heavy: the fewest and the most atoms other than hydrogen.
        max_rings: the most rings, in RDKit's smallest set of smallest rings.
        min_charge, max_charge: the range of the total charge, in elementary charges.
        forbidden: groups that must not occur: SMARTS by name.
        coordinations: the allowed sets of neighbours of an atom, each written as the atom and its
            neighbours, hydrogens included: `C:C,F,F,F`. None allows everything.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    elements: tuple[str, ...] = QM9_ELEMENTS
    min_heavy: PositiveInt = 1
    max_heavy: PositiveInt = Field(default=12, le=100)
    max_rings: NonNegativeInt = 2
    min_charge: int = 0
    max_charge: int = 0
    forbidden: Mapping[str, str] = {}
    coordinations: frozenset[str] | None = None

    @field_validator("elements")
    @classmethod
    def _known(cls, elements: tuple[str, ...]) -> tuple[str, ...]:
        table = Chem.GetPeriodicTable()
        known = {table.GetElementSymbol(number) for number in range(1, 119)}
        unknown = [symbol for symbol in elements if symbol not in known]
        if unknown:
            raise ValueError(f"{', '.join(unknown)}: no such element")
        if not set(elements) - {"H"}:
            raise ValueError("name at least one element besides hydrogen")
        return tuple(sorted(set(elements), key=table.GetAtomicNumber))

    @field_validator("forbidden")
    @classmethod
    def _patterns(cls, forbidden: Mapping[str, str]) -> Mapping[str, str]:
        for name, smarts in forbidden.items():
            if not smarts.strip() or Chem.MolFromSmarts(smarts) is None:
                raise ValueError(f"{name}: {smarts!r} is not SMARTS")
        return forbidden

    @check_model(mode="after")
    def _ordered(self) -> "Limits":
        if self.min_heavy > self.max_heavy:
            raise ValueError(
                f"min_heavy ({self.min_heavy}) is larger than max_heavy ({self.max_heavy}): "
                "no molecule is both"
            )
        if self.min_charge > self.max_charge:
            raise ValueError(
                f"min_charge ({self.min_charge}) is larger than max_charge ({self.max_charge}): "
                "no molecule has both"
            )
        return self

    def allows(self, piece: Composition) -> bool:
        """Whether a molecule that contains this piece can be inside the limits."""
        return (
            piece.elements <= set(self.elements)
            and piece.n_heavy <= self.max_heavy
            and piece.n_rings <= self.max_rings
            and (
                self.coordinations is None
                or all(_can_be(each, self.coordinations) for each in piece.coordinations)
            )
        )

    def allows_bond(self, one: str, other: str) -> bool:
        """Whether two atoms may be bonded; the `*` in a coordination stands for the other atom."""
        known = self.coordinations
        return known is None or (
            _can_be(_bonded(one, other), known) and _can_be(_bonded(other, one), known)
        )


def _bonded(coordination: str, other: str) -> str:
    """The first coordination, with one `*` replaced by the element of the second."""
    symbol, _, around = coordination.partition(":")
    left = around.split(",")
    left.remove("*")
    return f"{symbol}:{','.join(sorted([*left, other.partition(':')[0]]))}"


@lru_cache(maxsize=100_000)
def _can_be(coordination: str, known: frozenset[str]) -> bool:
    """Whether replacing each `*` by some element gives one of the known coordinations."""
    symbol, _, around = coordination.partition(":")
    if "*" not in around:
        return coordination in known
    fixed = Counter(around.split(","))
    n_around, _ = fixed.total(), fixed.pop("*")
    others = (each.partition(":") for each in known)
    return any(
        other == symbol and len(names := theirs.split(",")) == n_around and fixed <= Counter(names)
        for other, _, theirs in others
    )


class Judge:
    """Checks molecules against limits and counts the reasons of refusals.

    Args:
        limits: the limits to check against.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.n_judged = 0
        self.refused: Counter[str] = Counter()
        table = Chem.GetPeriodicTable()
        numbers = [table.GetAtomicNumber(symbol) for symbol in limits.elements]
        self._foreign = Chem.MolFromSmarts("[!#1" + "".join(f"!#{n}" for n in numbers) + "]")
        self._forbidden = FilterCatalog.FilterCatalog()  # one call for all patterns
        for name, smarts in limits.forbidden.items():
            matcher = FilterCatalog.SmartsMatcher(name, smarts, 1)
            self._forbidden.AddEntry(FilterCatalog.FilterCatalogEntry(name, matcher))

        self._verdict = lru_cache(maxsize=N_VERDICTS)(self._judged)

    def __call__(self, text: str) -> str | None:
        """The canonical SMILES of a molecule inside the limits; None for any other, whose reason is
        counted in `refused`."""
        self.n_judged += 1
        smiles, reason = self._verdict(text)
        if smiles is None:
            self.refused[reason] += 1
        return smiles

    def forget_counts(self) -> None:
        """Set the counts of molecules and refusals to zero."""
        self.n_judged, self.refused = 0, Counter()

    def _judged(self, text: str) -> tuple[str | None, str]:
        """The canonical SMILES and an empty text, or None and the reason of the refusal."""
        molecule = Chem.MolFromSmiles(text)
        reason = "no molecule" if molecule is None else self._reason(molecule)
        return (None, reason) if reason else (str(Chem.MolToSmiles(molecule)), "")

    def _reason(self, molecule: Chem.Mol) -> str | None:
        limits = self.limits
        n_heavy = molecule.GetNumHeavyAtoms()
        if n_heavy < limits.min_heavy:
            return "too small"
        if n_heavy > limits.max_heavy:
            return "too large"
        if molecule.GetRingInfo().NumRings() > limits.max_rings:
            return "too many rings"
        if not limits.min_charge <= Chem.GetFormalCharge(molecule) <= limits.max_charge:
            return "charge"
        if molecule.HasSubstructMatch(self._foreign) or self._has_foreign_hydrogen(molecule):
            return "element"
        if len(molecule.GetAtomsMatchingQuery(_RADICAL)):
            return "radical"
        if self._forbidden.HasMatch(molecule):
            return f"forbidden: {self._forbidden.GetFirstMatch(molecule).GetDescription()}"
        known = limits.coordinations
        if known is not None and not drawn_coordinations(molecule) <= known:
            return "coordination"
        if len(Chem.GetMolFrags(molecule)) > 1:
            return "several molecules"
        return None

    def _has_foreign_hydrogen(self, molecule: Chem.Mol) -> bool:
        return "H" not in self.limits.elements and (
            molecule.GetNumAtoms(onlyExplicit=False) > molecule.GetNumHeavyAtoms()
        )
