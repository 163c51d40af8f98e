"""Text to molecule: SMILES with or without an extension, and mol blocks.

What is not one molecule (`screener.chemistry.drawings`), and what RDKit would pass over
(`screener.chemistry.extensions`, `screener.chemistry.molfile`), is refused with the reason.
"""

import re

from rdkit import Chem, rdBase
from rdkit.Chem import rdqueries

from screener.chemistry import extensions, molfile
from screener.chemistry.drawings import require_molecule, settle_dative
from screener.errors import MoleculeError

MAX_SMILES_LENGTH = 10_000  # characters; RDKit would spend minutes on a line of megabytes

# In a SMILES without any of these there is nothing that `require_molecule` could refuse. A colon is
# a bond unless it stands in brackets, where it begins the number of an atom.
_DOUBTFUL = re.compile(r"[*~$<>:]")
_BRACKETS = re.compile(r"\[[^\]]*\]")
_PARITY = rdqueries.HasPropQueryAtom("molParity")


def read_smiles(text: str) -> Chem.Mol:
    """The sanitised molecule of a SMILES, which a CXSMILES extension may follow.

    Args:
        text: white space around it and a name after the extension do not matter.
    Raises:
        MoleculeError: `empty`, `too_long`, `blank_in_smiles`, `invalid_smiles`,
            `invalid_extension`, `impossible_valence`, `impossible_aromaticity`,
            `sanitisation_failed`, and those of `screener.chemistry.extensions.require_known` and
            `screener.chemistry.drawings.require_molecule`.
    """
    if len(text) > MAX_SMILES_LENGTH:
        raise MoleculeError(
            "too_long", f"{len(text)} characters; at most {MAX_SMILES_LENGTH} are read"
        )
    if not text.strip():
        raise MoleculeError("empty", "there is no SMILES")
    smiles, extension = extensions.split_extension(text)
    if not (smiles.isascii() and smiles.isprintable()):
        unprintable = next(char for char in smiles if not " " < char < "\x7f")
        raise MoleculeError("invalid_smiles", f"the character {unprintable!a} is not SMILES")
    if extension or _DOUBTFUL.search(smiles):
        return _doubtful(smiles, extension)
    mol = Chem.MolFromSmiles(smiles)
    return mol if mol is not None else _diagnosed(_parsed(smiles, ""))


def is_smiles(text: str) -> bool:
    """Whether a text without blanks can be read as SMILES, chemically sound or not."""
    with rdBase.BlockLogs():
        return Chem.MolFromSmiles(text, sanitize=False) is not None


def _doubtful(smiles: str, extension: str) -> Chem.Mol:
    if extension:
        extensions.require_known(extension)
    drawn = _parsed(smiles, extension)
    settled = settle_dative(drawn)
    require_molecule(settled, _drawn_aromatic(smiles))
    if settled is not drawn:
        return _sanitised(settled)
    mol = extensions.parse(smiles, extension, sanitise=True)
    return mol if mol is not None else _diagnosed(drawn)


def _parsed(smiles: str, extension: str) -> Chem.Mol:
    mol = extensions.parse(smiles, extension, sanitise=False)
    if mol is not None:
        return mol
    if Chem.MolFromSmiles(smiles, sanitize=False) is None:
        if Chem.MolFromSmarts(smiles) is not None:
            raise MoleculeError(
                "query", "it can only be a query (SMARTS): write the one molecule that is meant"
            )
        if re.search(r"\{.*\}", smiles):
            raise MoleculeError(
                "repeat_unit",
                "braces, as of a repeat unit in BigSMILES: write the oligomer that is meant",
            )
        raise MoleculeError("invalid_smiles", f"not SMILES: {_syntax_error(smiles)}")
    raise MoleculeError(
        "invalid_extension", f"RDKit cannot read the extension {extension[:80]}: mend it"
    )


def _drawn_aromatic(smiles: str) -> set[int]:
    """The bonds that are written as `:`; others between aromatic atoms are what they can be."""
    if ":" not in _BRACKETS.sub("", smiles):
        return set()
    marked = "".join(
        part if part.startswith("[") else part.replace(":", "~")
        for part in re.split(r"(\[[^\]]*\])", smiles)
    )
    mol = Chem.MolFromSmiles(marked, sanitize=False)
    return {bond.GetIdx() for bond in mol.GetBonds() if bond.HasQuery()}


def _diagnosed(mol: Chem.Mol) -> Chem.Mol:
    """Raises what is wrong with a molecule that RDKit refused."""
    _sanitised(mol)
    raise MoleculeError("invalid_smiles", "RDKit cannot make a molecule of it")


def _sanitised(mol: Chem.Mol) -> Chem.Mol:
    """The molecule as RDKit's parsers would give it; raises what is wrong with it."""
    mol = Chem.RWMol(mol)
    try:
        Chem.SanitizeMol(mol)
        mol = Chem.RemoveHs(mol)
    except Chem.AtomValenceException as error:
        raise MoleculeError("impossible_valence", str(error)) from error
    except (Chem.KekulizeException, Chem.AtomKekulizeException) as error:
        raise MoleculeError("impossible_aromaticity", str(error)) from error
    except (Chem.MolSanitizeException, RuntimeError, ValueError) as error:
        raise MoleculeError("sanitisation_failed", str(error)) from error
    Chem.AssignStereochemistry(mol, cleanIt=True, force=True)
    return mol


def _syntax_error(smiles: str) -> str:
    """The most likely mistake; RDKit only logs it."""
    if smiles.startswith("InChI="):
        return "it is an InChI; give SMILES"
    for opening, closing, name in (("(", ")", "parenthesis"), ("[", "]", "bracket")):
        if smiles.count(opening) != smiles.count(closing):
            return f"a {name} is not closed or was never opened"
    if re.search(r">.*>", smiles):
        return "it is a reaction; give each molecule a record of its own"
    return "RDKit finds a mistake in the syntax, such as an unclosed ring or an unknown atom"


def read_molblock(block: str) -> Chem.Mol:
    """The sanitised molecule of a mol block, V2000 or V3000.

    Args:
        block: lines are separated by line feeds.
    Raises:
        MoleculeError: `invalid_molblock`, `impossible_aromaticity`, `mixture`, and those of
            `screener.chemistry.drawings.require_molecule`.
    """
    molfile.require_known(block)
    if not molfile.is_v3000(block):
        block = molfile.with_radicals(block)
    try:
        drawn = Chem.MolFromMolBlock(block, sanitize=False, removeHs=False)
        if drawn is None:
            raise molfile.unknown_symbol(block) or MoleculeError(
                "invalid_molblock", "RDKit cannot read the mol block"
            )
        settled = settle_dative(drawn)
        require_molecule(settled)
        if _has_no_coordinates(drawn):
            return _from_parities(settled)
        mol = _sanitised_drawing(settled) if settled is not drawn else Chem.MolFromMolBlock(block)
        if mol is None:
            raise MoleculeError("invalid_molblock", _problem(drawn))
        return mol
    except (RuntimeError, ValueError) as error:  # how RDKit's C++ errors arrive
        reason = str(error).strip().splitlines()
        raise MoleculeError(
            "invalid_molblock", f"RDKit failed: {reason[0] if reason else type(error).__name__}"
        ) from error


def _sanitised_drawing(mol: Chem.Mol) -> Chem.Mol:
    """As `_sanitised`, with the stereochemistry that the coordinates show."""
    mol = Chem.RWMol(mol)
    is_3d = mol.GetConformer().Is3D()
    if not is_3d:
        Chem.ReapplyMolBlockWedging(mol)
        Chem.AssignChiralTypesFromBondDirs(mol)
    mol = _sanitised(mol)
    if is_3d:
        Chem.AssignStereochemistryFrom3D(mol)
    else:
        Chem.DetectBondStereochemistry(mol)
        Chem.AssignStereochemistry(mol, cleanIt=True, force=True)
    return mol


def _problem(drawn: Chem.Mol) -> str:
    problems = Chem.DetectChemistryProblems(drawn)
    return problems[0].Message() if problems else "RDKit cannot make a molecule of the mol block"


def _has_no_coordinates(mol: Chem.Mol) -> bool:
    """Whether the file has no coordinates, so that parities are what it says of stereochemistry."""
    if mol.GetNumAtoms() < 2 or not mol.GetAtomsMatchingQuery(_PARITY):
        return False
    positions = mol.GetConformer().GetPositions()
    return bool((positions == positions[0]).all())


def _from_parities(mol: Chem.Mol) -> Chem.Mol:
    mol = Chem.RWMol(mol)
    Chem.AssignAtomChiralTagsFromMolParity(mol)  # needs the hydrogens of the file
    return _sanitised(mol)
