"""Write `README.md` beside this file: the figures of the reference paper and ours, row by row.

    python docs/accuracy/make_table.py

The figures are those of the bundles' cards, which `screener train` wrote; what it fits from the
files here lies beside them as `*.card.json`. The paper is Ward et al., MRS Communications 9, 891
(2019); its figures are mean absolute errors read off the authors' notebooks.
"""

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ENERGY = "ae0_b3lyp_kcal"
G4MP2 = "ae0_g4mp2_kcal"
SMILES = "test, from SMILES alone"
NESTED = "nested cross-validation by connectivity"


@dataclass(frozen=True)
class Row:
    """One figure.

    Args:
        what: is predicted from what.
        paper: its figure, with the number of molecules trained on.
        card: name of the bundle.
        metric: entry of the card's metrics, entries within one another joined by `/`.
        quantity: of the entry.
    """

    what: str
    paper: str
    card: str
    metric: str
    quantity: str = ENERGY


ROWS = (
    Row("GFN2 → B3LYP at B3LYP geometries", "SchNet, direct: 0.344 (117,232)", "b3lyp-delta-schnet",
        "test, at B3LYP geometries"),
    Row("GFN2 → B3LYP at the GFN2 minima reached from them", "", "qm9-gfn2opt-delta",
        "test, at the GFN2 minima reached from B3LYP geometries"),
    Row("GFN2 → B3LYP from SMILES alone", "SchNet, retrained on such geometries: 4.7 (117,232)",
        "qm9-gfn2opt-delta", SMILES),
    Row("the same, where the conformer is the label's", "", "qm9-gfn2opt-delta",
        f"{SMILES}, by conformer/the label's conformer (heavy atoms within 0.2 angstrom)"),
    Row("the same, another conformer", "", "qm9-gfn2opt-delta",
        f"{SMILES}, by conformer/another conformer"),
    Row("B3LYP from SMILES alone, force-field geometry", "the same: 4.7", "qm9-mmff94-direct",
        SMILES),
    Row("B3LYP → G4(MP2) at B3LYP geometries, up to 9 heavy atoms",
        "FCHL-delta: 0.92 (100), 0.27 (1,000); SchNet-delta: 0.69 (1,000)", "b3lyp-to-g4mp2",
        NESTED, G4MP2),
    Row("the same by composition and kernel alone", "", "b3lyp-to-g4mp2",
        f"{NESTED}, composition and kernel alone", G4MP2),
    Row("the same, 7 heavy atoms and fewer fitted on, more judged", "", "b3lyp-to-g4mp2",
        "fitted on 7 heavy atoms and fewer, judged on more", G4MP2),
    Row("B3LYP itself", "4.63 (all of QM9)", "b3lyp-to-g4mp2", "B3LYP itself", G4MP2),
    Row("B3LYP → G4(MP2) at the GFN2 minima", "", "gfn2opt-b3lyp-to-g4mp2", NESTED, G4MP2),
    Row("SMILES alone → G4(MP2), up to 9 heavy atoms", "", "gfn2opt-to-g4mp2",
        f"{NESTED}: all but suspect", G4MP2),
    Row("the same, inside the domain", "", "gfn2opt-to-g4mp2",
        f"{NESTED}: inside or brought in", G4MP2),
    Row("the same, with fluorine", "", "gfn2opt-to-g4mp2",
        f"{NESTED}: the same, with fluorine", G4MP2),
    Row("HOMO, eV, from SMILES alone, `gfn2-opt`", "", "qm9-gfn2opt-delta", SMILES,
        "homo_b3lyp_ev"),
    Row("LUMO, eV, from SMILES alone, `gfn2-opt`", "", "qm9-gfn2opt-delta", SMILES,
        "lumo_b3lyp_ev"),
)  # fmt: skip


def main() -> None:
    """Write the table."""
    lines = [
        "# Accuracy: the reference paper and this project",
        "",
        "Mean absolute errors on molecules that were not trained on, in kcal/mol where nothing",
        "else is said. Written by `python docs/accuracy/make_table.py` from the cards of the",
        "bundles, each of which `screener train` wrote. In parentheses: 95 % intervals, by",
        "resampling.",
        "",
        "| | paper (trained on) | ours | n | trained on | made by `screener train` |",
        "|---|---|---|---|---|---|",
        *(cells(row) for row in ROWS),
    ]
    (HERE / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def cells(row: Row) -> str:
    """A row of the table."""
    card, command = read_card(row.card)
    if card is None:
        return f"| {row.what} | {row.paper} | not measured | | | `{command}` |"
    found: Any = card["metrics"]
    for part in row.metric.split("/"):
        found = found[part]
    values = found[row.quantity]
    error = f"{values['mae']:.3f}"
    if "mae_95_low" in values:
        error += f" ({values['mae_95_low']:.3f}-{values['mae_95_high']:.3f})"
    n_fit = card["data"]["fit"]["n"] if "fit" in card["data"] else card["data"]["n"]
    ours = f"{error} | {values['n']:,.0f} | {n_fit:,}"
    return f"| {row.what} | {row.paper} | {ours} | `{command}` |"


def read_card(name: str) -> tuple[dict[str, Any] | None, str]:
    """A card, or None where there is none yet, and what makes it."""
    shipped = Path(str(files("screener"))) / "data" / "bundles" / name / "card.json"
    measured = HERE / f"{name}.card.json"
    command = f"docs/accuracy/{name}.toml" if (HERE / f"{name}.toml").exists() else name
    for path in (shipped, measured):
        if path.exists():
            return json.loads(path.read_text(encoding="utf-8")), command
    return None, command


if __name__ == "__main__":
    main()
