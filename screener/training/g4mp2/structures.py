"""Structures of reference molecules at each geometry level, made once and kept.

They lie where all structures do that belong to no library, so another file or another subset of one
finds what is there.
"""

from collections.abc import Sequence
from typing import Literal

from screener.chemistry.standardise import StandardiseSettings, standardise
from screener.chemistry.structures import StructureSettings
from screener.errors import MoleculeError
from screener.records import Structure
from screener.structures.recipe import Item, Recipe
from screener.structures.site import Site, structures
from screener.training.g4mp2.reference import ReferenceMolecule

Kind = Literal[
    "b3lyp-opt", "gfn2-opt-from-b3lyp", "gfn2-opt", "aimnet2-opt-from-b3lyp", "aimnet2-opt"
]
REACHED = "-from-b3lyp"


def reference_structures(
    kind: Kind, molecules: Sequence[ReferenceMolecule], n_conformers: int = 1
) -> list[Structure | None]:
    """Structures with results of their level.

    Args:
        kind: `b3lyp-opt`, the published geometry with GFN2 results; a level with `-from-b3lyp`, its
            minimum reached from that geometry; a level, from the SMILES alone, as a campaign makes
            it.
        molecules: (n,), of any origin.
        n_conformers: embedded where structures are made from SMILES.
    Returns:
        (n,), None where one cannot be made.
    """
    recipe = recipe_of(kind, n_conformers)
    items = [item_of(kind, molecule) for molecule in molecules]
    known = [item for item in items if isinstance(item, Item)]
    made = dict(zip(map(id, known), structures(known, recipe, Site(None)), strict=True))
    outcomes = [made.get(id(item)) for item in items]
    return [each if isinstance(each, Structure) else None for each in outcomes]


def recipe_of(kind: Kind, n_conformers: int = 1) -> Recipe:
    """How structures of a kind are made.

    Args:
        kind: see `reference_structures`.
        n_conformers: embedded where structures are made from SMILES.
    """
    if kind == "b3lyp-opt":
        return Recipe.at_geometry(("gfn2",))
    settings = StructureSettings.at(kind.removesuffix(REACHED), n_conformers)
    if kind.endswith(REACHED):
        return Recipe.minimum_from_geometry(settings)
    return Recipe.from_drawing(settings)


def item_of(kind: Kind, molecule: ReferenceMolecule) -> Item | MoleculeError:
    """What a structure of a molecule starts from, or why there is none.

    Args:
        kind: see `reference_structures`.
        molecule: of any origin.
    """
    if kind == "b3lyp-opt" or kind.endswith(REACHED):
        return Item("", molecule.smiles, molecule.structure)
    try:
        standard = standardise(molecule.smiles, StandardiseSettings())[0]
    except MoleculeError as error:
        return error
    return Item(standard.mol_id, standard.smiles)
