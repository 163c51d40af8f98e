"""Molecules, labels and small fits that the tests of models share.

Labels of the small fits are a made-up function of the geometry, so that nothing has to be installed
or computed for them: what is tested on them holds whatever was learned. Accuracy is tested on QM9.
"""

import csv
import importlib.util
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import AllChem

from screener.chemistry.geometry import has_flat_centre
from screener.records import Structure
from screener.registry.columns import level
from screener.registry.elements import number_of
from screener.training.fit.calibrate import FittedModel
from screener.training.fit.data import FitData, FitSets, FitSettings
from screener.training.fit.readout import ReadoutFitSettings, fit_readout
from screener.training.fit.schnet import SchNetFitSettings, fit_schnet_model
from screener.training.fit.sparse_gp import fit_model
from screener.training.qm9.train import qm9_targets
from screener.units import (
    EV_PER_HARTREE,
    KCAL_PER_HARTREE,
    atomization_energy_ha,
)

# fmt: off
SOLVENTS = [  # known solvents and small relatives, among them all that has CF3
    "O=C1OCCO1", "CC1COC(=O)O1", "COC(=O)OC", "CCOC(=O)OC", "CCOC(=O)OCC", "O=C1OC=CO1",
    "C1COCO1", "CC1OCCO1", "COCCOC", "COCCOCCOC", "C1CCOC1", "C1COCCO1", "CC1CCCO1", "O=C1CCCO1",
    "O=C1CCCCO1", "CC(=O)OC", "CC(=O)OCC", "CCC(=O)OC", "COC=O", "CCOC=O", "CC#N", "CCC#N",
    "N#CCCC#N", "N#CCCCC#N", "COCCC#N", "CN(C)C=O", "CC(=O)N(C)C", "CN1CCCC1=O", "O=C1OCCN1C",
    "CC(C)=O", "CCC(C)=O", "O=C1CCCCC1", "COC(C)OC", "COC(OC)OC", "CCOCC", "CC(C)OC", "CCO", "CO",
    "OCCO", "COCCO", "CC(C)O", "CCCO", "OCC(O)CO", "C1CO1", "C1CCO1", "CC1CO1", "O=CC=O", "CC=O",
    "CCC=O", "C=CC#N", "C=C", "CC=C", "C#C", "C1CC1", "C1CCC1", "C1CCCC1", "C1CCCCC1", "CC(C)C",
    "CCCC", "CCCCC", "CC(C)(C)C", "N", "CN", "CCN", "CN(C)C", "C1CCNC1", "C1CCNCC1", "NCCN",
    "NCCO", "CNC=O", "CC(N)=O", "C1COCCN1", "n1ccccc1", "c1ccccc1", "Cc1ccccc1", "c1ccoc1",
    "c1cc[nH]c1", "c1cnc[nH]1", "C1=CCCC1", "OC(=O)C", "CC(=O)OC(C)=O", "C12CC1CO2", "C1C2CC1C2",
    "FC(F)(F)C", "CCC(F)(F)F", "OCC(F)(F)F", "O=C(C(F)(F)F)OC", "CC(=O)C(F)(F)F", "N#CC(F)(F)F",
    "FC(F)(F)c1ccccc1", "COCC(F)(F)F", "C1CC2CCC1O2", "O=C1COC(=O)N1", "COC(=O)C=C",
    "CC1CCC(=O)O1", "OC1CCOC1", "OCC1OC1CO", "OC1COC(O)C1O",
]
# fmt: on


def embed(smiles: str, seed: int = 7) -> Structure:
    """A structure by ETKDG and MMFF94."""
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    for each in range(seed, seed + 10):  # some seeds give flat spiro centres
        assert AllChem.EmbedMolecule(mol, randomSeed=each) == 0
        AllChem.MMFFOptimizeMolecule(mol)
        if not has_flat_centre(mol, mol.GetConformer().GetPositions()):
            break
    numbers = np.array([atom.GetAtomicNum() for atom in mol.GetAtoms()], dtype=np.uint8)
    return Structure(numbers, mol.GetConformer().GetPositions().astype(np.float32))


def made_up(structure: Structure) -> dict[str, float]:
    """Smooth values of a geometry in the range of the real ones; the first is extensive."""
    numbers = structure.atomic_numbers.astype(float)
    positions = structure.positions.astype(float)
    distances = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    pairs = np.sqrt(numbers[:, None] * numbers[None]) * np.exp(-distances)
    return {
        "ae0_b3lyp_kcal": float(100.0 * pairs.sum()),
        "homo_b3lyp_ev": float(-7.0 + 0.5 * pairs.mean()),
        "lumo_b3lyp_ev": float(1.0 - 0.8 * (pairs**2).mean()),
        "dipole_b3lyp_debye": float(2.0 + np.sin(pairs.sum(axis=1)).mean()),
    }


def with_gfn2(structure: Structure) -> Structure:
    """The structure with GFN2 results near its made-up values."""
    values = made_up(structure)
    free = atomization_energy_ha(0.0, structure.atomic_numbers, level("gfn2").free_atoms_ha)
    return structure.with_values(
        {
            "energy_gfn2_ha": free - 0.97 * values["ae0_b3lyp_kcal"] / KCAL_PER_HARTREE,
            "homo_gfn2_ev": 1.1 * values["homo_b3lyp_ev"] - 3.0,
            "lumo_gfn2_ev": 0.9 * values["lumo_b3lyp_ev"] - 5.0,
            "dipole_gfn2_debye": 0.9 * values["dipole_b3lyp_debye"],
        },
        {"charges_gfn2": np.zeros(structure.n_atoms, dtype=np.float32)},
    )


def labelled(structures: list[Structure]) -> FitData:
    """Structures with their made-up values."""
    values = [made_up(structure) for structure in structures]
    return FitData(structures, {name: np.array([v[name] for v in values]) for name in values[0]})


ELEMENTS = (1, 6, 7, 8, 9)
DIRECT, DELTA = qm9_targets(None), qm9_targets("gfn2")
SMALL = FitSettings(
    n_inducing=300, n_components=64, widths=(2.0, 4.0), width_sample=50, n_leading=100,
    n_difficulty=50, min_seen=1, outside=0.0,
)  # fmt: skip
SMALL_NETWORK = SchNetFitSettings(
    n_members=2, n_features=32, n_interactions=3, n_gaussians=20, n_head=16, cutoff=5.0, n_epochs=6,
    batch_size=16, min_seen=1, outside=0.0,
)  # fmt: skip
SMALL_READOUT = ReadoutFitSettings(
    n_members=2, n_inputs=64, n_hidden=16, n_epochs=6, batch_size=16, min_seen=1, outside=0.0
)


@pytest.fixture(scope="session")
def solvents() -> list[Structure]:
    return [with_gfn2(embed(smiles)) for smiles in SOLVENTS]


@pytest.fixture(scope="session")
def fitted(solvents: list[Structure]) -> dict[str, FittedModel]:
    """Every form of model, calibrated on the same molecules with their atoms displaced."""
    generator = np.random.default_rng(0)
    displaced = [
        with_gfn2(Structure(s.atomic_numbers, s.positions + noise.astype(np.float32)))
        for s in solvents
        for noise in [generator.normal(0.0, 0.03, s.positions.shape)]
    ]
    sets = labelled(solvents), labelled(solvents[::3]), labelled(displaced)
    return {
        "direct": fit_model(FitSets(*sets, DIRECT, "mmff94"), SMALL),
        "delta": fit_model(FitSets(*sets, DELTA, "mmff94"), SMALL),
        "schnet": fit_schnet_model(FitSets(*sets, DELTA, "mmff94"), SMALL_NETWORK),
        "readout": fit_readout(FitSets(*sets, DELTA, "mmff94"), SMALL_READOUT),
    }


@pytest.fixture(scope="session")
def structure_of() -> Callable[[str], Structure]:
    return lambda smiles: with_gfn2(embed(smiles))


@pytest.fixture(scope="session")
def qm9() -> FitData:
    """1,900 molecules of QM9 in a fixed random order, at B3LYP geometries."""
    spec = importlib.util.find_spec("qm9pack")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("qm9pack is not installed")
    limit = csv.field_size_limit(sys.maxsize)
    folder = Path(spec.submodule_search_locations[0], "data")
    rows = []
    for path in sorted(folder.glob("qm9_part*.csv")):
        with path.open() as file:
            header = next(file)
            lines = (line for number, line in enumerate(file) if number % 68 == 5)
            rows += csv.DictReader([header, *lines])
    csv.field_size_limit(limit)  # it is that of the whole process
    order = np.random.default_rng(0).permutation(len(rows))
    entries = [_entry(rows[int(place)]) for place in order]
    return FitData(
        [structure for structure, _ in entries],
        {name: np.array([values[name] for _, values in entries]) for name in entries[0][1]},
    )


def _entry(row: dict[str, str]) -> tuple[Structure, dict[str, float]]:
    numbers = np.array([number_of(s) for s in re.findall(r"\w+", row["Elements"])], dtype=np.uint8)
    # Mathematica's numbers: `1.*^-6` and `0.`
    text = re.sub(r"\.(?=[],e])", ".0", row["XYZ_Ang"].replace("*^", "e"))
    positions = np.array(json.loads(text), dtype=np.float32)

    def number(column: str) -> float:
        return float(row[column].replace("*^", "e"))

    free_atoms_ha = level("b3lyp").free_atoms_ha
    energy = atomization_energy_ha(number("InternalEnergy_0K_au"), numbers, free_atoms_ha)
    return Structure(numbers, positions), {
        "ae0_b3lyp_kcal": energy * KCAL_PER_HARTREE,
        "homo_b3lyp_ev": number("HOMO_au") * EV_PER_HARTREE,
        "lumo_b3lyp_ev": number("LUMO_au") * EV_PER_HARTREE,
        "dipole_b3lyp_debye": number("Dipole_debye"),
    }
