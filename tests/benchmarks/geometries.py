"""Making structures: RDKit and tblite alone, our function in a loop, unit tasks."""

from collections.abc import Callable
from functools import partial

import ase
from alternating import Comparison, Variant, compare
from ase.optimize import LBFGS
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers
from scene import Scene, Stage
from tblite.ase import TBLite

from screener.campaign.tasks import predict
from screener.chemistry.levels import Gfn2OptSettings
from screener.chemistry.structures import (
    StructureSettings,
    from_drawing,
    make_structure,
    through_levels,
)
from screener.errors import MoleculeError
from screener.execution.tasks import Task, run_tasks
from screener.records import Structure
from screener.structures.make import TOGETHER


def embedded(smiles: str, mol_id: str) -> Chem.Mol | None:
    """ETKDGv3 and MMFF94 as in RDKit's own examples; None where either fails."""
    molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
    parameters = rdDistGeom.ETKDGv3()
    parameters.randomSeed = int(mol_id[:7], 16)
    if rdDistGeom.EmbedMolecule(molecule, parameters) != 0:
        return None
    rdForceFieldHelpers.MMFFOptimizeMolecule(molecule, maxIters=2000)
    return molecule


def relaxed(smiles: str, mol_id: str) -> None:
    """From there, GFN2 by tblite's own calculator and ASE's LBFGS, to the same force."""
    molecule = embedded(smiles, mol_id)
    if molecule is None:
        return
    numbers = [atom.GetAtomicNum() for atom in molecule.GetAtoms()]
    atoms = ase.Atoms(numbers, molecule.GetConformer().GetPositions())
    atoms.calc = TBLite(method="GFN2-xTB", verbosity=0)
    with LBFGS(atoms, logfile=None) as optimiser:
        optimiser.run(fmax=Gfn2OptSettings().force_threshold, steps=200)


BARE: dict[str, tuple[str, Callable[[str, str], object]]] = {
    "mmff94": ("bare RDKit calls", embedded),
    "gfn2-opt": ("bare RDKit, tblite and ASE's LBFGS", relaxed),
}


def run(scene: Scene, level: str, n_molecules: int, n_rounds: int) -> Comparison:
    geometry = StructureSettings(level=level)
    stage = Stage(scene, scene.build(scene.sample(n_molecules)), geometry)
    name, function = BARE[level]

    def loop() -> None:
        n_done = 0
        for molecule in stage.molecules:
            try:
                make_structure(*molecule, geometry)
            except MoleculeError:
                continue
            n_done += 1
        assert n_done > 0.9 * len(stage.molecules)

    def bare() -> None:
        for molecule in stage.molecules:
            function(*molecule)

    def tasks() -> None:
        job = stage.job(structures=scene.new_folder())
        units = (Task(unit.name, predict.prepare, (job, unit)) for unit in stage.plan.units())
        n_made = sum(completed.result.n_made for completed in run_tasks(scene.client, units))
        assert n_made == len(stage.molecules)

    variants = [
        Variant("plain loop over make_structure()", loop),
        Variant(name, bare),
        Variant("unit tasks, one worker", tasks),
    ]
    return compare(f"structures {level}", len(stage.molecules), variants, n_rounds)


def run_levels(scene: Scene, n_molecules: int, n_rounds: int) -> Comparison:
    """Geometries of the same molecules by GFN2 and by AIMNet2, from one conformer and several, as
    many at once as chemistry processes are given."""
    molecules = Stage(scene, scene.build(scene.sample(n_molecules)), StructureSettings()).molecules
    asked = {
        "GFN2 from one conformer": StructureSettings.at("gfn2-opt"),
        "AIMNet2 from one conformer": StructureSettings.at("aimnet2-opt"),
        "AIMNet2, 3 of 10 conformers": StructureSettings.at("aimnet2-opt", 10),
        "AIMNet2, 3 of 30 conformers": StructureSettings.at("aimnet2-opt", 30),
    }

    def made(settings: StructureSettings) -> None:
        for start in range(0, len(molecules), TOGETHER):
            some = [from_drawing(*molecule) for molecule in molecules[start : start + TOGETHER]]
            outcomes = through_levels(settings.steps, some)
            assert sum(isinstance(each, Structure) for each in outcomes) > 0.9 * len(some)

    variants = [Variant(name, partial(made, settings)) for name, settings in asked.items()]
    return compare("geometries", len(molecules), variants, n_rounds)
