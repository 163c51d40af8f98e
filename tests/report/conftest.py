import pytest

from screener.campaign.results.accounts import Accounts, StageAccount
from screener.ranking.presets import load_preset
from screener.report.content import (
    KnownMolecule,
    Molecule,
    QuarantineReason,
    ReportContent,
    Stage,
    Value,
)

# B3LYP/6-31G(2df,p) values as in QM9, GFN2 values of the same geometries
MOLECULES = (
    ("acetonitrile (AN)", "candidate-0007", "CC#N", -8.88, 1.02, 3.83, 98.30, 3),
    ("ethylene carbonate (EC)", "candidate-0001", "O=C1OCCO1", -7.99, 1.09, 5.06, 101.48, 6),
    ("", "candidate-0412", "COC(=O)O[C@@H](C)C#N", -8.31, 0.61, 4.44, 98.70, 9),
    ("", "candidate-2215", "CC(C)(C)C#N", -8.61, 1.21, 3.95, 93.10, 6),
    ("1,3-dioxolane (DOL)", "candidate-0031", "C1COCO1", -7.00, 2.35, 1.35, 91.42, 5),
)


def values_of(homo, lumo, dipole, energy, n_heavy):
    return {
        "homo_b3lyp_ev": Value(homo, homo - 0.21, homo + 0.21, homo - 4.4, "GFN2-xTB", 4.4, 0.62),
        "lumo_b3lyp_ev": Value(lumo, lumo - 0.24, lumo + 0.24, lumo - 7.1, "GFN2-xTB", 7.1, 0.47),
        "dipole_b3lyp_debye": Value(
            dipole, dipole - 0.3, dipole + 0.3, dipole + 0.6, "GFN2-xTB", -0.6, 0.8
        ),
        "ae0_b3lyp_kcal_per_atom": Value(energy, energy - 0.2, energy + 0.2, desirability=0.99),
        "n_heavy": Value(float(n_heavy), desirability=1.0),
    }


@pytest.fixture
def content() -> ReportContent:
    return ReportContent(
        title="battery-candidates",
        written="2026-05-04T10:12:13Z",
        library="libraries/battery-candidates",
        library_digest="5e8a" * 8,
        accounts=Accounts(
            n_read=5302,
            n_isomers_added=0,
            n_kept=5210,
            n_duplicates=71,
            n_quarantined=21,
            stages=(
                StageAccount("mmff94", 5210, 500, {"3<=n_heavy<=14": 212}, 3390, 1101, 7, 0),
                StageAccount("gfn2-opt", 500, 100, {}, 391, 6, 3, 0),
            ),
            final={
                "mmff94: quarantined": 7,
                "mmff94: out of domain": 1101,
                "mmff94: filtered": 212,
                "mmff94: not selected": 3390,
                "mmff94: not done": 0,
                "gfn2-opt: quarantined": 3,
                "gfn2-opt: out of domain": 6,
                "gfn2-opt: not selected": 391,
                "shortlisted": 100,
            },
        ),
        ranking=load_preset("electrolyte-solvent"),
        ranking_name="electrolyte-solvent",
        is_main=True,
        stages=(
            Stage("mmff94", "mmff94", 1, "qm9-mmff94-direct", "ab12" * 8, ()),
            Stage("gfn2-opt", "gfn2-opt", 1, "qm9-gfn2opt-delta", "cd34" * 8, ()),
        ),
        n_ranked=491,
        shortlist=tuple(
            Molecule(
                rank, 0.75 - 0.021 * rank, name, f"{rank:032x}", smiles, values_of(*values), known
            )
            for rank, (known, name, smiles, *values) in enumerate(MOLECULES, start=1)
        ),
        known=(
            KnownMolecule(
                "fluoroethylene carbonate (FEC)",
                "candidate-0019",
                "O=C1OCC(F)O1",
                "out of domain",
                "mmff94",
                None,
                "nearest environment of F at 0.41, calibrated up to 0.20",
            ),
            KnownMolecule(
                "ethylene carbonate (EC)",
                "candidate-0001",
                "O=C1OCCO1",
                "shortlisted",
                "gfn2-opt",
                2,
                "",
            ),
            KnownMolecule(
                "tetraglyme",
                "candidate-0044",
                "COCCOCCOCCOCCOC",
                "filtered",
                "mmff94",
                None,
                "3<=n_heavy<=14",
            ),
            KnownMolecule(
                "diethyl carbonate (DEC)",
                "candidate-0052",
                "CCOC(=O)OCC",
                "not selected",
                "mmff94",
                None,
                "",
            ),
            KnownMolecule(
                "succinonitrile",
                "candidate-0053",
                "N#CCCC#N",
                "ranked",
                "gfn2-opt",
                371,
                "",
            ),
            KnownMolecule(
                "maleic anhydride",
                "candidate-0054",
                "O=C1C=CC(=O)O1",
                "quarantined",
                "gfn2-opt",
                None,
                "scf_failed: GFN2 did not converge in 250 iterations",
            ),
        ),
        quarantine=(
            QuarantineReason(
                "library", "invalid_smiles", 18, "not a SMILES: ring 1 is not closed", "C1CCO"
            ),
            QuarantineReason(
                "structures",
                "embedding_failed",
                7,
                "no 3D coordinates found in 20 attempts",
                "C1#CC1",
            ),
        ),
        provenance=(
            ("command", "screener screen libraries/battery-candidates --out campaigns/first"),
            ("started", "2026-05-04T10:09:02Z"),
            ("finished", "2026-05-04T10:12:11Z"),
            ("screener", "0.1.0"),
            ("rdkit", "2026.9.1"),
            ("seeds", "from mol_id"),
        ),
    )
