"""AIMNet2: our evaluation of many molecules at once against the published model, one by one."""

from collections.abc import Callable

import numpy as np
from alternating import Comparison, Variant, compare
from published_aimnet2 import Published
from scene import Scene

from screener.chemistry.identity import mol_id
from screener.chemistry.structures import StructureSettings, make_structure
from screener.errors import MoleculeError
from screener.potentials.aimnet2.potential import AimNet2
from screener.records import Structure
from screener.registry.columns import level

EV, EV_PER_ANGSTROM = 1e-4, 1e-3  # by which the two may differ
# salts of electrolytes, ionic liquids and redox shuttles, and products of their reactions
IONS = [
    "F[B-](F)(F)F", "F[P-](F)(F)(F)(F)F", "O=S(=O)([O-])C(F)(F)F", "[O-][Cl+3]([O-])([O-])[O-]",
    "O=S(=O)([N-]S(=O)(=O)C(F)(F)F)C(F)(F)F", "O=S(=O)(F)[N-]S(=O)(=O)F", "N#C[N-]C#N",
    "CCn1cc[n+](C)c1", "CCCC[N+]1(C)CCCC1", "CC[N+](C)(CC)CC", "CCC[N+]1(C)CCCCC1", "CC(=O)[O-]",
    "[O-]C(=O)OC", "C[S+](C)C", "CC[P+](CC)(CC)CC", "[N-]=[N+]=[N-]", "[S-]C#N", "C[O-]",
    "CC#[N+]C", "N#C[C-](C#N)C#N",
]  # fmt: skip


def run(scene: Scene, n_molecules: int, n_rounds: int) -> Comparison:
    """All molecules and ions by both, after they were found to agree.

    Raises:
        AssertionError: they do not.
    """
    structures = _structures(scene, n_molecules)
    ours, published = AimNet2(), Published()
    energy, force = 0.0, 0.0
    for structure, each in zip(structures, ours.evaluate(structures), strict=True):
        ev, forces, _ = published(structure)
        energy = max(energy, abs(each.energy_ev - ev))
        force = max(force, float(np.abs(each.forces - forces).max()))
    if energy > EV or force > EV_PER_ANGSTROM:
        raise AssertionError(f"energies differ by {energy:.1e} eV, forces by {force:.1e} eV/Å")
    variants = [
        Variant("ensemble, many at once", lambda: _done(lambda: ours.evaluate(structures))),
        Variant("published, one by one", lambda: _done(lambda: [*map(published, structures)])),
    ]
    n_atoms = np.mean([each.n_atoms for each in structures])
    title = f"AIMNet2, {n_atoms:.0f} atoms ({energy:.0e} eV, {force:.0e} eV/Å)"
    return compare(title, len(structures), variants, n_rounds)


def _done(work: Callable[[], list[object]]) -> None:
    assert work()


def _structures(scene: Scene, n_molecules: int) -> list[Structure]:
    """Conformers of ions, and of as many molecules as are wanted."""
    elements = level("aimnet2").elements
    made: list[Structure] = []
    for smiles in [*IONS, *scene.sample(2 * n_molecules)]:
        if len(made) == n_molecules:
            break
        try:
            structure = make_structure(smiles, mol_id(smiles), StructureSettings())
        except MoleculeError:
            continue
        if structure.n_unpaired == 0 and set(structure.atomic_numbers.tolist()) <= elements:
            made.append(structure)
    return made
