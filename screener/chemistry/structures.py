"""From a SMILES to one 3D structure at a geometry level.

`mmff94` is the relaxed ETKDG conformer; `gfn2-opt` goes on from there to the GFN2 minimum and adds
the energy and properties of GFN2. A structure whose bonds are no longer those of the SMILES is
refused.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    ConfigDict,
    PositiveFloat,
    PositiveInt,
    SerializerFunctionWrapHandler,
    model_serializer,
)
from rdkit import Chem

from screener.chemistry.conformers import atomic_numbers_of, embed
from screener.chemistry.geometry import require_same_molecule
from screener.chemistry.gfn2 import Gfn2
from screener.chemistry.optimise import minimise
from screener.chemistry.radicals import unpaired_electrons
from screener.chemistry.redox import with_redox
from screener.records import Structure
from screener.units import ANGSTROM_PER_BOHR


class GeometrySettings(BaseModel):
    """How structures are made; part of the digest that names a set of structures."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    procedure: Literal[1] = 1  # changes when the same settings would give other structures
    level: Literal["mmff94", "gfn2-opt"] = "mmff94"
    n_conformers: PositiveInt = 1  # embedded and relaxed; the lowest is kept
    force_threshold: PositiveFloat = 0.03  # eV/angstrom, `gfn2-opt` alone
    max_steps: PositiveInt = 200  # GFN2 evaluations, `gfn2-opt` alone
    redox_solvent: str | None = None  # None: no redox; `gfn2-opt` alone

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without `redox_solvent` where there is none: digests of such structures are older."""
        values: dict[str, Any] = handler(self)
        if self.redox_solvent is None:
            del values["redox_solvent"]
        return values


def make_structure(smiles: str, mol_id: str, settings: GeometrySettings) -> Structure:
    """Structure of one molecule from its canonical isomeric SMILES.

    Args:
        smiles: canonical isomeric SMILES.
        mol_id: 32 hexadecimal digits; gives the seed of the embedding.
        settings: geometry level and its settings.
    Returns:
        atoms in the order of the SMILES, hydrogens last.
    Raises:
        MoleculeError: what `embed` and `optimised` raise.
    """
    molecule = embed(smiles, mol_id, settings.n_conformers)
    positions = molecule.GetConformer().GetPositions()
    if settings.level == "gfn2-opt":
        found = optimised(molecule, positions, settings)
        if settings.redox_solvent is None:
            return found
        return with_redox(found, settings.redox_solvent)
    return Structure(
        atomic_numbers_of(molecule),
        positions.astype(np.float32),
        charge=Chem.GetFormalCharge(molecule),
        n_unpaired=unpaired_electrons(molecule),
    )


def optimised(
    molecule: Chem.Mol, positions: NDArray[np.floating], settings: GeometrySettings
) -> Structure:
    """The GFN2 minimum reached from `positions`, with the properties there.

    Args:
        molecule: with hydrogens, in the order of `positions`; tells charge and multiplicity.
        positions: (n_atoms, 3), angstrom.
        settings: thresholds of the optimisation.
    Raises:
        MoleculeError: `scf_failed`, `not_converged`, `another_molecule`.
    """
    atomic_numbers = atomic_numbers_of(molecule)
    charge, n_unpaired = Chem.GetFormalCharge(molecule), unpaired_electrons(molecule)
    gfn2 = Gfn2(
        atomic_numbers, positions.astype(np.float64) / ANGSTROM_PER_BOHR, charge, n_unpaired
    )
    minimum = minimise(
        gfn2.energy_and_gradient,
        atomic_numbers,
        positions,
        settings.force_threshold,
        settings.max_steps,
    )
    structure = gfn2.add_to(
        Structure(atomic_numbers, minimum.positions, charge=charge, n_unpaired=n_unpaired)
    )
    require_same_molecule(molecule, structure)
    return structure
