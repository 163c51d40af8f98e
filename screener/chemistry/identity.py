"""Who a molecule is: canonical isomeric SMILES, the `mol_id` made from it, and the InChIKey for look-up.

Takes an RDKit molecule as it stands; cleaning it up and fixing open stereochemistry is the business of
`screener.chemistry.standardise`.
"""

import hashlib

from rdkit import Chem, rdBase

from screener.errors import MoleculeError
from screener.records import Molecule

MAX_ROUNDS = 8  # RDKit's canonical SMILES settles after one or two rounds; a cycle ends at its smallest member


def mol_id(canonical_smiles: str) -> str:
    """First 16 bytes of the SHA-256 of the canonical isomeric SMILES, as 32 hexadecimal digits."""
    return hashlib.sha256(canonical_smiles.encode()).hexdigest()[:32]


def settle(mol: Chem.Mol) -> tuple[str, Chem.Mol]:
    """Canonical isomeric SMILES that parses back to itself, and the molecule parsed from it.

    RDKit's canonical SMILES of a molecule and that of the molecule parsed from it can differ where stereocentres depend
    on one another, so writing and parsing alternate until nothing changes.

    Args:
        mol: sanitised; explicit hydrogens and atom map numbers are not part of the identity and are dropped, but for
            hydrogens that define a double bond's stereochemistry, as in `[H]/N=C/C`.
    Raises:
        MoleculeError: `unstable_smiles`, RDKit cannot read what it has written.
    """
    smiles = Chem.MolToSmiles(_bare(mol))
    seen: list[str] = []
    parsed: dict[str, Chem.Mol] = {}
    while smiles not in parsed:
        again = Chem.MolFromSmiles(smiles)
        if again is None:
            raise MoleculeError("unstable_smiles", f"RDKit cannot read its own SMILES {smiles[:200]}")
        seen.append(smiles)
        parsed[smiles] = again
        smiles = Chem.MolToSmiles(again)
        if len(seen) > MAX_ROUNDS:
            break
    cycle = seen[seen.index(smiles) :] if smiles in parsed else seen[-1:]
    smiles = min(cycle)
    return smiles, parsed[smiles]


def _bare(mol: Chem.Mol) -> Chem.Mol:
    """The molecule without atom map numbers and without hydrogens that are atoms of their own for no reason."""
    if any(atom.GetAtomMapNum() for atom in mol.GetAtoms()):
        mol = Chem.Mol(mol)
        for atom in mol.GetAtoms():
            atom.SetAtomMapNum(0)
    if mol.GetNumHeavyAtoms() != mol.GetNumAtoms():
        mol = Chem.RemoveHs(mol)
    return mol


def identify(mol: Chem.Mol, n_undefined_stereo: int = 0) -> Molecule:
    """The molecule's identity and counts.

    Args:
        mol: sanitised, stereochemistry assigned; explicit hydrogens are allowed.
        n_undefined_stereo: stereo elements that were left open in the input and fixed since.
    Returns:
        The record; `inchikey` is empty where InChI has no name for the molecule.
    Raises:
        MoleculeError: `unstable_smiles`, RDKit cannot read what it has written.
    """
    with rdBase.BlockLogs():
        smiles, settled = settle(mol)
        return describe(smiles, settled, n_undefined_stereo)


def describe(smiles: str, mol: Chem.Mol, n_undefined_stereo: int) -> Molecule:
    """The record of a molecule parsed from `smiles`, which is canonical already (see `settle`)."""
    return Molecule(
        mol_id=mol_id(smiles),
        smiles=smiles,
        inchikey=Chem.MolToInchiKey(mol),
        n_heavy=mol.GetNumHeavyAtoms(),
        n_atoms=mol.GetNumAtoms(onlyExplicit=False),
        charge=Chem.GetFormalCharge(mol),
        n_undefined_stereo=n_undefined_stereo,
    )
