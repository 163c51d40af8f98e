"""The quantities that come with this package.

A typical range runs from about the 1st to the 99th percentile of QM9 (Ramakrishnan et al., Sci.
Data 1, 140022 (2014); up to nine heavy atoms of C, N, O, F), rounded outwards and widened where a
known electrolyte solvent lies beyond: at B3LYP/6-31G(2df,p) from QM9's own values, at GFN2-xTB from
single points at the geometries of 400 of its molecules drawn at random. It is a scale, no
recommendation.
"""

from screener.registry.quantities import Quantity
from screener.registry.units import COUNT, DEBYE, EV, HARTREE, KCAL, VOLT_LI_UNCORRECTED

ENERGY = Quantity("energy", "total energy", HARTREE, extensive=True)
ENERGY_STD = Quantity(
    "energy_std", "standard deviation of the energy in an ensemble", EV, extensive=True, lower=0.0
)
ATOMIZATION_ENERGY_0K = Quantity(
    "ae0",
    "atomization energy, 0 K",
    KCAL,
    extensive=True,
    low_counterpart="de",
    typical={
        "b3lyp": (1100.0, 2300.0),  # QM9 1158 to 2303
        "b3lyp/atom": (85.0, 112.0),  # QM9 89.8 to 111.0; 1,2-dimethoxyethane 87.2
    },
    source="free atoms minus molecule, zero-point energy included; positive when bound",
)
ENTHALPY_OF_FORMATION = Quantity(
    "hof298",
    "enthalpy of formation, 298 K",
    KCAL,
    extensive=True,
    typical={"g4mp2": (-340.0, 85.0)},  # closed shells of PPE1694 -336 to 82
    source="of the gas from the elements in their standard states: Curtiss et al., J. Chem. Phys. "
    "106, 1063 (1997), section II",
)
BINDING_ENERGY = Quantity(
    "de",
    "binding energy without zero point",
    KCAL,
    extensive=True,
    typical={"gfn2": (1500.0, 3200.0)},  # 1799 to 3135; ethylene carbonate 1524
    source="free atoms minus molecule, without zero-point energy; positive when bound",
)
HOMO = Quantity(
    "homo",
    "HOMO",
    EV,
    typical={
        "b3lyp": (-9.0, -4.5),  # QM9 -8.0 to -4.8; acetonitrile -8.9
        "gfn2": (-12.5, -9.0),  # -11.8 to -9.2; ethylene carbonate -12.4
    },
)
LUMO = Quantity(
    "lumo",
    "LUMO",
    EV,
    typical={
        "b3lyp": (-3.0, 2.5),  # QM9 -2.7 to 2.5
        "gfn2": (-8.5, 0.5),  # -8.5 to 0.1
    },
)
GAP = Quantity(
    "gap",
    "HOMO–LUMO gap",
    EV,
    lower=0.0,
    difference=("lumo", "homo"),
    typical={
        "b3lyp": (4.0, 10.0),  # QM9 4.1 to 9.4; acetonitrile 9.9
        "gfn2": (2.0, 11.0),  # 2.3 to 10.9
    },
)
DIPOLE = Quantity(
    "dipole",
    "dipole moment",
    DEBYE,
    is_moment=True,
    lower=0.0,
    typical={
        "b3lyp": (0.0, 6.5),  # QM9 0.1 to 6.6
        "gfn2": (0.0, 7.0),  # 0.2 to 6.9
    },
)
# GFN2-xTB puts these four too high by nearly the same amount for all molecules, for IPEA-xTB 4.85 V
# (Asgeirsson, Bauer, Grimme, Chem. Sci. 8, 4879 (2017)); nothing is taken off, and their names say
# so. The ranges are those of the solvents in tests/benchmarks/known_redox.csv and of some molecules
# that are no solvents.
IONISATION_POTENTIAL = Quantity(
    "ip_uncorrected",
    "vertical ionisation potential, uncorrected",
    EV,
    typical={"gfn2": (13.0, 16.5)},  # trimethylamine 13.1; nitromethane 16.3
    former=("ip",),
)
ELECTRON_AFFINITY = Quantity(
    "ea_uncorrected",
    "vertical electron affinity, uncorrected",
    EV,
    typical={"gfn2": (-5.0, 7.0)},  # trimethylamine -4.8; benzoquinone 6.8
    former=("ea",),
)
OXIDATION_POTENTIAL = Quantity(
    "eox_uncorrected",
    "vertical oxidation, uncorrected",
    VOLT_LI_UNCORRECTED,
    typical={"gfn2": (9.5, 12.5)},  # trimethylamine 9.5; nitromethane 12.4
    former=("eox",),
)
REDUCTION_POTENTIAL = Quantity(
    "ered_uncorrected",
    "vertical reduction, uncorrected",
    VOLT_LI_UNCORRECTED,
    typical={"gfn2": (-4.0, 7.5)},  # trimethylamine -4.1; benzoquinone 7.3
    former=("ered",),
)
# of the drawing; the ranges run from acetonitrile to tetraethylene glycol dimethyl ether
N_HEAVY = Quantity("n_heavy", "heavy atoms", COUNT, lower=0.0, typical={"": (3.0, 15.0)})
N_ATOMS = Quantity(
    "n_atoms", "atoms, hydrogens included", COUNT, lower=1.0, typical={"": (6.0, 37.0)}
)
CHARGE = Quantity("charge", "charge", COUNT)
N_UNDEFINED_STEREO = Quantity("n_undefined_stereo", "stereo centres left open", COUNT, lower=0.0)
