"""Who a molecule is: canonical isomeric SMILES, the `mol_id` made from it, and the InChIKey.

Takes an RDKit molecule as it stands; cleaning it up and fixing open stereochemistry is the business
of `screener.chemistry.standardise`.
"""

import hashlib

from rdkit import Chem, rdBase

from screener.errors import MoleculeError
from screener.records import Molecule

# RDKit's canonical SMILES settles after one or two rounds; of a cycle the smallest member counts.
MAX_ROUNDS = 8


def mol_id(canonical_smiles: str) -> str:
    """First 16 bytes of the SHA-256 of the canonical isomeric SMILES, as 32 hexadecimal digits."""
    return hashlib.sha256(canonical_smiles.encode()).hexdigest()[:32]


def settle(mol: Chem.Mol) -> tuple[str, Chem.Mol]:
    """Canonical isomeric SMILES that parses back to itself, and the molecule parsed from it.

    RDKit's canonical SMILES of a molecule and that of the molecule parsed from it can differ where
    stereocentres depend on one another, so writing and parsing alternate until nothing changes.

    Nitrogen with three neighbours carries no stereo mark: it inverts, or is held by the carbons
    that it bridges, and RDKit reads none from coordinates either.

    Args:
        mol: sanitised; no atom map numbers, explicit hydrogens only where they define a double
            bond's stereochemistry, as in `[H]/N=C/C`.
    Raises:
        MoleculeError: `unstable_smiles`, RDKit cannot read what it has written.
    """
    smiles = Chem.MolToSmiles(mol)
    parsed: dict[str, Chem.Mol] = {}
    while smiles not in parsed and len(parsed) < MAX_ROUNDS:
        again = Chem.MolFromSmiles(smiles)
        if again is None:
            raise MoleculeError("unstable_smiles", f"RDKit cannot read its own {smiles[:200]}")
        parsed[smiles] = again
        if "[N@]" in smiles or "[N@@]" in smiles:
            again = without_nitrogen_marks(again)
        smiles = Chem.MolToSmiles(again)
    order = list(parsed)
    cycle = order[order.index(smiles) :] if smiles in parsed else order[-1:]
    smiles = min(cycle)
    return smiles, parsed[smiles]


def is_inverting(atom: Chem.Atom) -> bool:
    """Neutral nitrogen with three neighbours, whose handedness is not part of the identity."""
    return bool(
        atom.GetAtomicNum() == 7 and atom.GetFormalCharge() == 0 and atom.GetTotalDegree() == 3
    )


def without_nitrogen_marks(mol: Chem.Mol) -> Chem.Mol:
    """A copy in which inverting nitrogen carries no stereo mark."""
    mol = Chem.Mol(mol)
    for atom in mol.GetAtoms():
        if is_inverting(atom):
            atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
    # ring stereochemistry that leaned on the nitrogen goes too
    Chem.AssignStereochemistry(mol, cleanIt=True, force=True)
    return mol


def bare(mol: Chem.Mol) -> Chem.Mol:
    """A copy without atom map numbers and without hydrogens that are atoms for no reason."""
    mol = Chem.Mol(mol)
    for atom in mol.GetAtoms():
        atom.SetAtomMapNum(0)
    return Chem.RemoveHs(mol)


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
        smiles, settled = settle(bare(mol))
        return describe(smiles, settled, n_undefined_stereo)


def describe(smiles: str, mol: Chem.Mol, n_undefined_stereo: int) -> Molecule:
    """The record of a molecule parsed from `smiles`, which is canonical already (see `settle`).

    Args:
        smiles: canonical isomeric SMILES.
        mol: the molecule parsed from it.
        n_undefined_stereo: stereo elements that were open in the input and fixed by us.
    Returns:
        the record, with `mol_id`, InChIKey, sizes and charge.
    """
    return Molecule(
        mol_id=mol_id(smiles),
        smiles=smiles,
        inchikey=Chem.MolToInchiKey(mol),  # type: ignore[no-untyped-call]  # RDKit has no types here
        n_heavy=mol.GetNumHeavyAtoms(),
        n_atoms=mol.GetNumAtoms(onlyExplicit=False),
        charge=Chem.GetFormalCharge(mol),
        n_undefined_stereo=n_undefined_stereo,
    )
