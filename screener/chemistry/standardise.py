"""One molecule from outside to the form in which the library keeps it, or the reason why not.

Clean-up (RDKit's `MolStandardize` and `screener.chemistry.one_drawing`), isotopes, salts, charges,
the checks of what geometry and GFN2 can treat, and open stereochemistry (`stereo` and
`relative_stereo`). Text is read by `screener.chemistry.reading`, identity is made by
`screener.chemistry.identity`. What a model knows is not decided here.
"""

import threading
from functools import lru_cache
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator
from rdkit import Chem, rdBase
from rdkit.Chem import rdqueries
from rdkit.Chem.MolStandardize import rdMolStandardize

from screener.chemistry.identity import bare, describe
from screener.chemistry.one_drawing import with_one_drawing
from screener.chemistry.reading import read_smiles
from screener.chemistry.relative_stereo import hands
from screener.chemistry.stereo import isomers
from screener.errors import MoleculeError
from screener.records import Molecule
from screener.registry.elements import ORGANIC_ELEMENTS

MAX_CLEANUPS = 8  # two are enough for nearly all

# Every rule of RDKit's clean-up needs a charge, a radical or one of the elements that are not named
# here; a molecule without any comes out as it went in, and the clean-up (half of all the time) is
# left out. `tests/chemistry/test_standardise.py` holds this against RDKit's own `Cleanup`.
_NEEDS_CLEANUP = Chem.MolFromSmarts("[!#1!#5!#6!#7!#8!#9!#14!#17!#35,!+0,#7v5,F0,Cl0,Br0]")
# Queries are in C++; a loop over atoms in Python would cost as much as parsing.
_RADICAL = rdqueries.NumRadicalElectronsGreaterQueryAtom(0)
_ISOTOPE = rdqueries.IsotopeGreaterQueryAtom(0)
_MAP_NUMBER = rdqueries.HasPropQueryAtom("molAtomMapNumber")
_CARBON = rdqueries.AtomNumEqualsQueryAtom(6)
_local = threading.local()


class StandardiseSettings(BaseModel):
    """What the library accepts and how molecules are brought into shape."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    elements: tuple[str, ...] = ORGANIC_ELEMENTS
    neutralise: bool = False
    mixtures: Literal["quarantine", "largest"] = "quarantine"
    allow_charged: bool = False
    allow_radicals: bool = False
    max_atoms: PositiveInt = 100  # with hydrogens
    enumerate_stereo: int = Field(default=0, ge=0)  # 0: one isomer is picked

    @field_validator("elements")
    @classmethod
    def _known_elements(cls, elements: tuple[str, ...]) -> tuple[str, ...]:
        table = Chem.GetPeriodicTable()
        known = {table.GetElementSymbol(number) for number in range(1, 119)}
        unknown = [symbol for symbol in elements if symbol not in known]
        if unknown or not elements:
            raise ValueError(f"not elements: {', '.join(unknown) or 'none given'}")
        return tuple(sorted(set(elements), key=table.GetAtomicNumber))


def standardise(smiles: str, settings: StandardiseSettings) -> list[Molecule]:
    """The standard form of a molecule given as SMILES.

    Args:
        smiles: one molecule; a CXSMILES extension may follow after white space.
        settings: see `StandardiseSettings`.
    Returns:
        One molecule, or up to `settings.enumerate_stereo` isomers. The same for every order in
        which the atoms can be written.
    Raises:
        MoleculeError: see `screener.chemistry.reading.read_smiles` and `standardise_mol`.
    """
    with rdBase.BlockLogs():
        return standardise_mol(read_smiles(smiles), settings)


def standardise_mol(mol: Chem.Mol, settings: StandardiseSettings) -> list[Molecule]:
    """The standard form of a sanitised molecule, which is not changed.

    Returns:
        One molecule, or up to `settings.enumerate_stereo` isomers.
    Raises:
        MoleculeError: `no_heavy_atom`, `mixture`, `too_many_atoms`, `element_not_allowed`,
            `charged`, `radical`, `relative_stereo`, `unstable_smiles`, `rdkit_failed`.
    """
    with rdBase.BlockLogs():
        try:
            found = [_isomers(hand, settings) for hand in hands(mol)]
            return found[0] if len(found) == 1 else _relative(found, settings)
        except (RuntimeError, ValueError) as error:  # how RDKit's C++ errors arrive
            reason = str(error).strip().splitlines()
            raise MoleculeError(
                "rdkit_failed", f"RDKit failed: {reason[0] if reason else type(error).__name__}"
            ) from error


def _isomers(mol: Chem.Mol, settings: StandardiseSettings) -> list[Molecule]:
    mol = _cleaned(mol, settings)
    _check(mol, settings)
    return [
        describe(smiles, isomer, n_undefined)
        for smiles, isomer, n_undefined in isomers(mol, max(settings.enumerate_stereo, 1))
    ]


def _relative(found: list[list[Molecule]], settings: StandardiseSettings) -> list[Molecule]:
    """The isomers of all hands: whichever hand was drawn, the same comes first."""
    n_groups = len(found).bit_length() - 1  # each doubles the hands
    hands_ = sorted(found, key=lambda isomers_: isomers_[0].smiles)
    by_smiles = {each.smiles: each for isomers_ in hands_ for each in isomers_}
    return [
        each._replace(n_undefined_stereo=each.n_undefined_stereo + n_groups)
        for each in list(by_smiles.values())[: max(settings.enumerate_stereo, 1)]
    ]


def _cleaned(mol: Chem.Mol, settings: StandardiseSettings) -> Chem.Mol:
    if not mol.GetNumHeavyAtoms():
        raise MoleculeError("no_heavy_atom", "there is no atom but hydrogen")
    if mol.GetNumAtoms() != mol.GetNumHeavyAtoms() or _any(mol, _MAP_NUMBER):
        mol = bare(mol)
    fragments = Chem.GetMolFrags(mol)
    if len(fragments) > 1 and settings.mixtures == "quarantine":
        raise MoleculeError("mixture", f"{len(fragments)} molecules; see --mixtures")
    if max(map(len, fragments)) > settings.max_atoms:  # before the slow steps; checked again later
        raise _too_many(max(map(len, fragments)), settings)
    if mol.HasSubstructMatch(_NEEDS_CLEANUP) or _any(mol, _RADICAL):
        mol = _settled_cleanup(mol)
        mol = _one_fragment(mol, settings)
        if settings.neutralise:
            mol = _tools().uncharger.uncharge(mol)
    elif len(fragments) > 1:
        mol = _one_fragment(mol, settings)
    return _without_isotopes(mol)


def _settled_cleanup(mol: Chem.Mol) -> Chem.Mol:
    """The clean-up, repeated until it changes nothing.

    RDKit's reionizer moves charges by the order of the atoms and may move them on when asked again,
    as in zwitterions with a carbanion. Each round starts from canonical SMILES.
    """
    seen: list[str] = []
    smiles = Chem.MolToSmiles(mol)
    while smiles not in seen and len(seen) < MAX_CLEANUPS:
        seen.append(smiles)
        drawn = _reparsed(smiles)
        if "+" in smiles or "-" in smiles:  # what has no charge is drawn in one way alone
            drawn = with_one_drawing(drawn)
        smiles = Chem.MolToSmiles(_tools().cleanup(drawn))
    cycle = seen[seen.index(smiles) :] if smiles in seen else [smiles]
    return _reparsed(min(cycle))


def _reparsed(smiles: str) -> Chem.Mol:
    mol = Chem.MolFromSmiles(smiles)
    if mol is None:
        raise MoleculeError("unstable_smiles", f"RDKit cannot read its own {smiles[:200]}")
    return mol


def _one_fragment(mol: Chem.Mol, settings: StandardiseSettings) -> Chem.Mol:
    if len(Chem.GetMolFrags(mol)) == 1:  # the clean-up may have cut bonds to metals
        return mol
    if settings.mixtures == "quarantine":
        raise MoleculeError("mixture", "a salt: its metal is not bound; see --mixtures")
    if not _any(mol, _CARBON):
        raise MoleculeError("mixture", "no part of it has carbon, so none is the molecule meant")
    return _tools().largest.choose(mol)


def _without_isotopes(mol: Chem.Mol) -> Chem.Mol:
    if not _any(mol, _ISOTOPE):
        return mol
    mol = Chem.Mol(mol)
    for atom in mol.GetAtoms():
        atom.SetIsotope(0)
    mol = Chem.RemoveHs(mol)  # deuterium is an atom of its own
    Chem.AssignStereochemistry(mol, cleanIt=True, force=True)  # isotopes had made some centres
    return mol


def _check(mol: Chem.Mol, settings: StandardiseSettings) -> None:
    if not mol.GetNumHeavyAtoms():
        raise MoleculeError("no_heavy_atom", "there is no atom but hydrogen")
    if mol.HasSubstructMatch(_foreign(settings.elements)) or (
        "H" not in settings.elements
        and mol.GetNumAtoms(onlyExplicit=False) > mol.GetNumHeavyAtoms()
    ):
        symbols = {atom.GetSymbol() for atom in Chem.AddHs(mol).GetAtoms()}
        foreign = ", ".join(sorted(symbols - set(settings.elements)))
        raise MoleculeError(
            "element_not_allowed",
            f"{foreign} not among {' '.join(settings.elements)}; see --elements",
        )
    n_atoms = mol.GetNumAtoms(onlyExplicit=False)
    if n_atoms > settings.max_atoms:
        raise _too_many(n_atoms, settings)
    if _any(mol, _RADICAL) and not settings.allow_radicals:
        raise MoleculeError("radical", "it has unpaired electrons; see --allow-radicals")
    charge = Chem.GetFormalCharge(mol)
    if charge and not settings.allow_charged:
        raise MoleculeError(
            "charged", f"its charge is {charge:+d}; see --neutralise and --allow-charged"
        )


def _any(mol: Chem.Mol, query: Chem.QueryAtom) -> bool:
    return len(mol.GetAtomsMatchingQuery(query)) > 0


@lru_cache(maxsize=16)
def _foreign(elements: tuple[str, ...]) -> Chem.Mol:
    """Matches an atom, other than hydrogen, whose element is not among `elements`."""
    table = Chem.GetPeriodicTable()
    others = (f"!#{table.GetAtomicNumber(symbol)}" for symbol in elements if symbol != "H")
    return Chem.MolFromSmarts(f"[!#1{''.join(others)}]")


def _too_many(n_atoms: int, settings: StandardiseSettings) -> MoleculeError:
    return MoleculeError(
        "too_many_atoms", f"{n_atoms} atoms or more, at most {settings.max_atoms}; see --max-atoms"
    )


class _Tools:
    """RDKit's standardisers, whose construction costs more than their use; one set per thread."""

    def __init__(self) -> None:
        parameters = rdMolStandardize.CleanupParameters()
        parameters.preferOrganic = True  # type: ignore[assignment]  # RDKit's stub is wrong; the drug, not its larger counter-ion
        self.metals = rdMolStandardize.MetalDisconnector()
        self.normalizer = rdMolStandardize.Normalizer()
        self.reionizer = rdMolStandardize.Reionizer()
        self.uncharger = rdMolStandardize.Uncharger()
        self.largest = rdMolStandardize.LargestFragmentChooser(parameters)

    def cleanup(self, mol: Chem.Mol) -> Chem.Mol:
        """The steps of `rdMolStandardize.Cleanup`."""
        mol = Chem.RemoveHs(mol)
        mol = self.metals.Disconnect(mol)
        mol = self.normalizer.normalize(mol)
        mol = self.reionizer.reionize(mol)
        Chem.AssignStereochemistry(mol, cleanIt=True, force=True)
        return mol


def _tools() -> _Tools:
    if not hasattr(_local, "tools"):
        _local.tools = _Tools()
    tools: _Tools = _local.tools
    return tools
