"""CXSMILES: what stands between bars after a SMILES, and what it does to the molecule.

RDKit reads some fields, passes over others, and stops at the first that it does not know, so that
whatever follows is lost without a word. Here every field is known: it is harmless, it is read by
RDKit, or it is refused.
"""

import re

from rdkit import Chem

from screener.chemistry.drawings import require_group_type
from screener.errors import MoleculeError

# without meaning for the molecule: atom labels and values (labels are looked at by
# `screener.chemistry.drawings`), coordinates, lone pairs, groups of fragments, order of ligands,
# data, and the flag for relative stereochemistry that Marvin writes whenever nobody said "absolute"
_HARMLESS = {"", "$", "()", "lp", "f", "LO", "atomProp", "SgD", "SgH", "r"}
# read by RDKit: radicals, dative bonds, stereochemistry
_READ = {"^", "C", "a", "&", "o", "c", "t", "ctu", "w", "wU", "wD"}
_REFUSED = {
    "H": ("unusual_bond", "hydrogen bonds: give each molecule a record of its own"),
    "Z": ("unusual_bond", "bonds of order zero: give each molecule a record of its own"),
    "LN": ("repeat_unit", "atoms that are repeated (link nodes): draw all of them"),
    "m": ("query", "a group whose place is not certain: draw it where it is meant to be"),
    "u": ("query", "conditions, as in a search: draw the one molecule that is meant"),
    "s": ("query", "conditions, as in a search: draw the one molecule that is meant"),
    "rb": ("query", "conditions, as in a search: draw the one molecule that is meant"),
    "RG": ("placeholder", "a list of groups for a place: draw one of them"),
    "LOG": ("placeholder", "rules for groups at a place: draw one of them"),
}
_POLYMERS = {"n", "mon", "mer", "co", "alt", "ran", "blk", "xl", "mod", "grf", "any"}
_MIXTURES = {"c", "mix", "f"}
_INSIDE = re.compile(r"\$[^$]*\$|\([^()]*\)|\{[^{}]*\}")
_FIELD_NAME = re.compile(r"[&^$]|\(\)|[A-Za-z]+|$")
_BARS = re.compile(r"(\|[^|]*\|)(?:\s|\Z)")


def split_extension(text: str) -> tuple[str, str]:
    """A SMILES and its extension with both bars, which may be missing.

    Args:
        text: not blank; a name may follow an extension, and is left out.
    Raises:
        MoleculeError: `blank_in_smiles`, something else than an extension follows a blank.
    """
    smiles, *rest = text.split(maxsplit=1)
    if not rest:
        return smiles, ""
    bars = _BARS.match(rest[0])
    if bars is None:
        raise MoleculeError(
            "blank_in_smiles",
            f"after its first blank stands {rest[0][:40]!r}, which is no extension |...|; write "
            "SMILES without blanks, and names in a column of their own",
        )
    return smiles, bars[1]


def require_known(extension: str) -> None:
    """Refuse fields that are unknown, or that make something else than one molecule.

    Args:
        extension: with both bars.
    Raises:
        MoleculeError: `invalid_extension`, `unusual_bond`, `query`, `placeholder`, `repeat_unit`,
            `mixture`.
    """
    body = _INSIDE.sub(lambda found: {"$": "$", "(": "()", "{": "{}"}[found[0][0]], extension[1:-1])
    for field in re.split(r",(?![\d.])", body):
        match = _FIELD_NAME.match(field)
        name = match[0] if match else None
        if name in _HARMLESS or name in _READ:
            continue
        if name in _REFUSED:
            code, what = _REFUSED[name]
            raise MoleculeError(code, f"its extension |{field[:60]}| is for {what}")
        if name == "Sg":
            kind = field.partition(":")[2].partition(":")[0]
            require_group_type(
                "SRU" if kind in _POLYMERS else "MIX" if kind in _MIXTURES else kind or "GEN"
            )
        raise MoleculeError(
            "invalid_extension",
            f"the extension |{field[:60]}| is unknown: take it away if it does not change the "
            "molecule",
        )


def parse(smiles: str, extension: str, sanitise: bool) -> Chem.Mol | None:
    """A molecule from SMILES and an extension.

    Args:
        smiles: without blanks.
        extension: with both bars, and known; it may be empty.
        sanitise: False gives the molecule as drawn, with its explicit hydrogens.
    Returns:
        The molecule, or None where RDKit cannot read it.
    """
    parameters = Chem.SmilesParserParams()
    options = {"strictCXSMILES": True, "parseName": False}
    for option, value in {**options, "sanitize": sanitise, "removeHs": sanitise}.items():
        setattr(parameters, option, value)  # RDKit's stub gives these a wrong type
    return Chem.MolFromSmiles(f"{smiles} {extension}".rstrip(), parameters)
