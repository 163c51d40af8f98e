"""Alerts find what they are named after, and leave the solvents of today alone."""

import csv
from pathlib import Path

import pytest
from rdkit import Chem

from screener.chemistry.accessibility import sa_score
from screener.chemistry.alerts import alerts, alerts_of

KNOWN = Path(__file__).parents[2] / "screener/data/examples/known-molecules.csv"

CASES = {
    "peroxide": ["CC(C)(C)OOC(C)(C)C", "CC(C)(C)OO"],  # di-tert-butyl and its hydroperoxide
    "azide_or_diazo": ["CN=[N+]=[N-]", "C=[N+]=[N-]"],
    "nitrogen_chain": ["CN(C)N=Nc1ccccc1", "c1nnn[nH]1"],
    "nitro": ["C[N+](=O)[O-]", "CCO[N+](=O)[O-]"],
    "nitroso": ["CN(C)N=O", "CC(C)CCON=O"],
    "heteroatom_halogen": ["O=C1CCC(=O)N1Br", "CC(C)(C)OCl"],
    "unsaturated_three_ring": ["C1C=C1"],
    "three_ring_heterocycle": ["C1CO1", "CN1CC1", "C1CS1"],
    "fused_small_rings": ["C1C2CC12", "C12C3C4C1C5C2C3C45"],
    "ring_alkyne_or_allene": ["C1CCC#CC1", "C1CCCC=C=C1"],
    "hydroxyl": ["CO", "CC(=O)O"],
    "thiol": ["CCS"],
    "n_h": ["CNC", "CC(N)=O"],
    "acidic_c_h": ["CC(=O)CC(C)=O", "N#CCC#N", "CC[N+](=O)[O-]"],
    "terminal_alkyne": ["C#CCOC"],
    "aldehyde": ["CC=O", "C=O"],
    "ketene": ["C=C=O"],
    "acyl_halide": ["CC(=O)Cl"],
    "alkyl_halide": ["CCBr", "ClCCCl"],
    "quinone": ["O=C1C=CC(=O)C=C1", "O=C1C=CC(=O)c2ccccc12"],
}
# in use, and without any group of the list
SOLVENTS = [
    "O=C1OCCO1",
    "COC(=O)OC",
    "CC#N",
    "COCCOC",
    "O=C1CCCO1",
    "CS(C)=O",
    "O=S1(=O)CCCC1",
    "N#CCCCC#N",
    "O=C1OC=CO1",
    "O=C1OCC(F)O1",
    "CCOP(=O)(OCC)OCC",
    "FC(F)(F)COCC(F)(F)F",
    "CN1CCOC1=O",
]


@pytest.mark.parametrize("name", CASES)
def test_an_alert_finds_molecules_of_its_kind(name):
    for smiles in CASES[name]:
        assert name in alerts_of(Chem.MolFromSmiles(smiles)), smiles


def test_every_alert_is_tested_and_says_why():
    assert [each.name for each in alerts()] == list(CASES)
    assert all(len(each.why) > 30 and each.source for each in alerts())


@pytest.mark.parametrize("smiles", SOLVENTS)
def test_solvents_in_use_raise_none(smiles):
    assert alerts_of(Chem.MolFromSmiles(smiles)) == ()


def test_few_of_the_known_molecules_raise_any():
    with KNOWN.open(encoding="utf-8") as lines:
        known = {row["known_as"]: row["smiles"] for row in csv.DictReader(lines)}
    raised = {name: alerts_of(Chem.MolFromSmiles(smiles)) for name, smiles in known.items()}
    assert sum(bool(names) for names in raised.values()) < 0.1 * len(known), raised


def test_a_cage_is_harder_to_make_than_a_solvent():
    cage, solvent = CASES["fused_small_rings"][1], SOLVENTS[0]
    scores = [sa_score(Chem.MolFromSmiles(smiles)) for smiles in (solvent, cage)]
    assert 1 <= scores[0] < scores[1] <= 10
