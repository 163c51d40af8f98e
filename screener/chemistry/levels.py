"""The levels that come with this package, as entries of the registry.

`mmff94` and `gfn2-opt` make geometries, `gfn2`, `gfn2-redox` and `b3lyp` compute values at one, and
geometries of `b3lyp-opt` and values of `g4mp2` are given.
"""

from pydantic import PositiveFloat, PositiveInt, field_validator
from rdkit import Chem

from screener.chemistry import free_atoms
from screener.chemistry.b3lyp import ELEMENTS as B3LYP_ELEMENTS
from screener.chemistry.b3lyp import with_b3lyp
from screener.chemistry.conformers import atomic_numbers_of, embed, molecule_with_hydrogens
from screener.chemistry.geometry import require_same_molecule
from screener.chemistry.gfn2 import Gfn2, with_gfn2
from screener.chemistry.optimise import followed
from screener.chemistry.radicals import unpaired_electrons
from screener.chemistry.redox import require_solvent, with_redox
from screener.chemistry.saddles import true_minimum
from screener.records import Structure
from screener.registry.elements import G4MP2_ELEMENTS, numbers_of
from screener.registry.levels import Level, LevelSettings, Subject
from screener.units import ANGSTROM_PER_BOHR

GFN2_COLUMNS = ("energy_gfn2_ha", "homo_gfn2_ev", "lumo_gfn2_ev", "dipole_gfn2_debye")
REDOX_COLUMNS = (
    "ip_uncorrected_gfn2_ev",
    "ea_uncorrected_gfn2_ev",
    "eox_uncorrected_gfn2_v_li",
    "ered_uncorrected_gfn2_v_li",
)
_B3LYP_COLUMNS = ("homo_b3lyp_ev", "lumo_b3lyp_ev", "dipole_b3lyp_debye")
B3LYP_SOURCE = "B3LYP/6-31G(2df,p) as in QM9: Ramakrishnan et al., Sci. Data 1, 140022 (2014)"
GFN2_SOURCE = "Bannwarth, Ehlert, Grimme, J. Chem. Theory Comput. 15, 1652 (2019)"
FORCE_FIELD_ELEMENTS = frozenset(range(1, 104))  # of UFF, where MMFF94 has no parameters
XTB_ELEMENTS = frozenset(range(1, 87))


class Mmff94Settings(LevelSettings):
    """How conformers are embedded and relaxed."""

    n_conformers: PositiveInt = 1  # embedded and relaxed; the lowest in energy is kept

    @property
    def repeats(self) -> int:
        """The conformers."""
        return self.n_conformers


class Gfn2OptSettings(LevelSettings):
    """When an optimisation by GFN2-xTB ends."""

    procedure: int = 2  # before, optimisations could end on passes
    force_threshold: PositiveFloat = 0.03  # eV/angstrom, of the largest force
    max_steps: PositiveInt = 200  # evaluations


class RedoxSettings(LevelSettings):
    """In which medium ions are computed.

    Raises:
        ConfigError: ALPB does not have the solvent.
    """

    solvent: str = "acetonitrile"  # of the model ALPB

    @field_validator("solvent")
    @classmethod
    def _is_known(cls, solvent: str) -> str:
        require_solvent(solvent)
        return solvent


def subject_of(smiles: str, mol_id: str) -> Subject:
    """A molecule as levels are given it.

    Args:
        smiles: canonical isomeric SMILES.
        mol_id: 32 hexadecimal digits.
    Raises:
        MoleculeError: `invalid_smiles`.
    """
    molecule = molecule_with_hydrogens(smiles)
    charge = Chem.GetFormalCharge(molecule)
    return Subject(smiles, mol_id, molecule, charge, unpaired_electrons(molecule))


def _conformer(subject: Subject, start: Structure | None, settings: Mmff94Settings) -> Structure:
    molecule = embed(subject.smiles, subject.mol_id, settings.n_conformers)
    return Structure(
        atomic_numbers_of(molecule),
        molecule.GetConformer().GetPositions().astype("float32"),
        charge=subject.charge,
        n_unpaired=subject.n_unpaired,
    )


def _minimum(subject: Subject, start: Structure | None, settings: Gfn2OptSettings) -> Structure:
    assert start is not None
    positions = start.positions.astype("float64")
    gfn2 = Gfn2(
        start.atomic_numbers, positions / ANGSTROM_PER_BOHR, subject.charge, subject.n_unpaired
    )
    walk = true_minimum(
        start.atomic_numbers, positions, settings.force_threshold, settings.max_steps
    )
    minimum = followed(gfn2.energy_and_gradient, walk)
    structure = gfn2.add_to(
        Structure(
            start.atomic_numbers,
            minimum.positions,
            charge=subject.charge,
            n_unpaired=subject.n_unpaired,
        )
    )
    require_same_molecule(subject.molecule, structure)
    return structure


def _single_point(subject: Subject, start: Structure | None, settings: LevelSettings) -> Structure:
    assert start is not None
    return with_gfn2(start)


def _b3lyp(subject: Subject, start: Structure | None, settings: LevelSettings) -> Structure:
    assert start is not None
    return with_b3lyp(start)


def _ions(subject: Subject, start: Structure | None, settings: RedoxSettings) -> Structure:
    assert start is not None
    return with_redox(start, settings.solvent)


MMFF94 = Level(
    name="mmff94",
    label="MMFF94 conformer",
    theory="",
    elements=FORCE_FIELD_ELEMENTS,
    charges=(-10, 10),
    open_shells=True,
    makes_geometry=True,
    seconds=0.015,
    settings=Mmff94Settings,
    compute=_conformer,
    source="ETKDGv3, Wang et al., J. Chem. Inf. Model. 60, 2044 (2020); MMFF94, Halgren, J. "
    "Comput. Chem. 17, 490 (1996); UFF, Rappe et al., J. Am. Chem. Soc. 114, 10024 (1992)",
)
GFN2_OPT = Level(
    name="gfn2-opt",
    label="GFN2-xTB",
    theory="gfn2",
    elements=XTB_ELEMENTS,
    charges=(-10, 10),
    open_shells=True,
    start="mmff94",
    makes_geometry=True,
    yields=GFN2_COLUMNS,
    atom_yields=("charges_gfn2",),
    free_atoms_ha=free_atoms.GFN2_HA,
    seconds=0.25,
    settings=Gfn2OptSettings,
    compute=_minimum,
    source=GFN2_SOURCE,
)
GFN2 = Level(
    name="gfn2",
    label="GFN2-xTB",
    theory="gfn2",
    elements=XTB_ELEMENTS,
    charges=(-10, 10),
    open_shells=True,
    yields=GFN2_COLUMNS,
    atom_yields=("charges_gfn2",),
    free_atoms_ha=free_atoms.GFN2_HA,
    seconds=0.01,
    compute=_single_point,
    source=GFN2_SOURCE,
)
GFN2_REDOX = Level(
    name="gfn2-redox",
    label="GFN2-xTB",
    theory="gfn2",
    elements=XTB_ELEMENTS,
    charges=(-9, 9),
    open_shells=True,
    start="gfn2-opt",
    yields=REDOX_COLUMNS,
    seconds=0.08,
    settings=RedoxSettings,
    compute=_ions,
    source=GFN2_SOURCE,
)
B3LYP = Level(
    name="b3lyp",
    label="B3LYP",
    theory="b3lyp",
    elements=B3LYP_ELEMENTS,
    charges=(-2, 2),
    open_shells=True,
    yields=("energy_b3lyp_ha", *_B3LYP_COLUMNS),
    free_atoms_ha=free_atoms.B3LYP_HA,
    seconds=20.0,
    compute=_b3lyp,
    source=B3LYP_SOURCE,
)
B3LYP_OPT = Level(
    name="b3lyp-opt",
    label="B3LYP",
    theory="b3lyp",
    elements=frozenset(free_atoms.B3LYP_HA),
    makes_geometry=True,
    yields=("ae0_b3lyp_kcal", *_B3LYP_COLUMNS),
    free_atoms_ha=free_atoms.B3LYP_HA,
    former=("b3lyp",),
    source=B3LYP_SOURCE,
)
G4MP2 = Level(
    name="g4mp2",
    label="G4MP2",
    theory="g4mp2",
    elements=frozenset(numbers_of(G4MP2_ELEMENTS)),
    yields=("ae0_g4mp2_kcal",),
    start="b3lyp-opt",
    source="Curtiss, Redfern, Raghavachari, J. Chem. Phys. 127, 124105 (2007)",
)
