"""Standardising QM9's SMILES: RDKit alone, our function in a loop, a library build."""

import hashlib

from alternating import Comparison, Variant, compare
from rdkit import Chem, rdBase
from rdkit.Chem.MolStandardize import rdMolStandardize
from scene import Scene, evenly

from screener.chemistry.standardise import StandardiseSettings, standardise
from screener.errors import MoleculeError
from screener.training.qm9 import molecules as qm9


def run(scene: Scene, n_molecules: int, n_rounds: int) -> Comparison:
    every = [entry.smiles for entry in qm9.entries()]
    smiles = evenly(every, n_molecules)
    settings = StandardiseSettings()

    def loop() -> None:
        n_done = 0
        for text in smiles:
            try:
                n_done += len(standardise(text, settings))
            except MoleculeError:
                continue
        assert n_done > 0.9 * len(smiles)

    def bare() -> None:
        with rdBase.BlockLogs():
            for text in smiles:
                molecule = Chem.MolFromSmiles(text)
                if molecule is None:
                    continue
                molecule = rdMolStandardize.Cleanup(molecule)
                for atom in molecule.GetAtoms():
                    atom.SetIsotope(0)
                canonical = Chem.MolToSmiles(molecule)
                Chem.MolToInchiKey(molecule)
                hashlib.sha256(canonical.encode()).hexdigest()

    def build() -> None:
        assert scene.build(smiles).manifest.totals.read == len(smiles)

    variants = [
        Variant("plain loop over standardise()", loop),
        Variant("bare RDKit calls", bare),
        Variant("library build, one worker", build),
    ]
    return compare("standardise", len(smiles), variants, n_rounds)
