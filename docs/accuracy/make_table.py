"""Write `README.md` and `learning_curves.svg` beside this file: the reference paper and ours.

    python docs/accuracy/make_table.py

The figures are those of the bundles' cards, which `screener train` wrote; what it fits from the
files here lies beside them as `*.card.json`. What `screener evaluate --json` printed for the sets
that are judged at the end lies here as `*.evaluation.json`. The paper is Ward et al., MRS
Communications 9, 891 (2019); its figures are mean absolute errors read off the authors' notebooks.
"""

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from screener.models.shipped import ORBITALS_BY_AIMNET2
from screener.training.g4mp2.train import NESTED
from screener.training.orbitals import train
from screener.training.orbitals.molecules import BATTERY, PPE
from screener.training.orbitals.train import OUT_OF_FOLD
from screener.training.qm9.train import AT_MINIMA, FROM_SMILES, TESTED

HERE = Path(__file__).parent
ENERGY = "ae0_b3lyp_kcal"
G4MP2 = "ae0_g4mp2_kcal"
ENTHALPY = "hof298_g4mp2_kcal"
AT_B3LYP = TESTED["b3lyp-gfn2"]
ORBITALS = (("HOMO, eV", "homo_b3lyp_ev"), ("LUMO, eV", "lumo_b3lyp_ev"),
            ("dipole moment, D", "dipole_b3lyp_debye"))  # fmt: skip
RUNG = "b3lyp-to-g4mp2"  # what the evaluations here are of


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


@dataclass(frozen=True)
class Evaluated:
    """One figure of a file of reference data.

    Args:
        what: is predicted from what.
        paper: its figure.
        name: of the file here.
    """

    what: str
    paper: str
    name: str


@dataclass(frozen=True)
class Curve:
    """Errors of a kind of model by the number of molecules it was trained on.

    Args:
        what: is drawn.
        paper: errors by number, kcal/mol.
        cards: of this project.
        colour: of both lines.
        levels: the paper's, ours.
    """

    what: str
    paper: dict[int, float]
    cards: tuple[str, ...]
    colour: str
    levels: tuple[str, str] = ("G4(MP2)", "B3LYP")


CURVES = (
    Curve("SchNet, direct", {1_000: 5.51, 10_000: 1.503, 117_232: 0.344},
          tuple(f"b3lyp-direct-schnet-{n}" for n in (1_000, 10_000, 115_232)), "C0"),
    Curve("FCHL, direct", {10: 26.04, 100: 7.517, 1_000: 1.542, 10_000: 0.515},
          tuple(f"b3lyp-direct-fchl-{n}" for n in (1_000, 10_000, 100_000)), "C1"),
    Curve("SchNet, delta", {1_000: 0.694, 10_000: 0.366, 117_232: 0.103},
          ("b3lyp-delta-schnet",), "C2", ("B3LYP → G4(MP2)", "GFN2 → B3LYP")),
)  # fmt: skip
ROWS = (
    Row("B3LYP at B3LYP geometries, SchNet, direct", "5.51 (1,000)", "b3lyp-direct-schnet-1000",
        AT_B3LYP),
    Row("the same", "1.50 (10,000)", "b3lyp-direct-schnet-10000", AT_B3LYP),
    Row("the same", "0.344 (117,232)", "b3lyp-direct-schnet-115232", AT_B3LYP),
    Row("B3LYP at B3LYP geometries, FCHL, direct, ours sparse", "1.54 (1,000)",
        "b3lyp-direct-fchl-1000", AT_B3LYP),
    Row("the same", "0.515 (10,000)", "b3lyp-direct-fchl-10000", AT_B3LYP),
    Row("the same", "", "b3lyp-direct-fchl-100000", AT_B3LYP),
    Row("GFN2 → B3LYP at B3LYP geometries", "SchNet, direct: 0.344 (117,232)", "b3lyp-delta-schnet",
        AT_B3LYP),
    Row("GFN2 → B3LYP at the GFN2 minima reached from them", "", "qm9-gfn2opt-delta",
        AT_MINIMA),
    Row("GFN2 → B3LYP from SMILES alone", "SchNet, retrained on such geometries: 4.7 (117,232)",
        "qm9-gfn2opt-delta", FROM_SMILES),
    Row("the same, where the conformer is the label's", "", "qm9-gfn2opt-delta",
        f"{FROM_SMILES}, by conformer/the label's conformer (heavy atoms within 0.2 angstrom)"),
    Row("the same, another conformer", "", "qm9-gfn2opt-delta",
        f"{FROM_SMILES}, by conformer/another conformer"),
    Row("B3LYP from SMILES alone, force-field geometry", "the same: 4.7", "qm9-mmff94-direct",
        FROM_SMILES),
    Row("B3LYP → G4(MP2) at B3LYP geometries, up to 9 heavy atoms",
        "FCHL-delta: 0.92 (100), 0.27 (1,000); SchNet-delta: 0.69 (1,000)", RUNG,
        NESTED, G4MP2),
    Row("the same by composition and kernel alone", "", RUNG,
        f"{NESTED}, composition and kernel alone", G4MP2),
    Evaluated("the same, 10 to 14 heavy atoms", "B3LYP: 10.1; SchNet-delta: 0.91; FCHL-delta: 0.45",
        "large_molecules"),
    Evaluated("the same, small oxygenates", "", "gdb_sugar_small"),
    Row("the same, 7 heavy atoms and fewer fitted on, more judged", "", RUNG,
        "fitted on 7 heavy atoms and fewer, judged on more", G4MP2),
    Row("B3LYP itself", "4.63 (all of QM9)", RUNG, "B3LYP itself", G4MP2),
    Row("B3LYP → G4(MP2) at the GFN2 minima", "", "gfn2opt-b3lyp-to-g4mp2", NESTED, G4MP2),
    Row("SMILES alone → G4(MP2), up to 9 heavy atoms", "", "gfn2opt-to-g4mp2",
        f"{NESTED}: all but suspect", G4MP2),
    Row("the same, inside the domain", "", "gfn2opt-to-g4mp2",
        f"{NESTED}: inside or brought in", G4MP2),
    Row("the same, with fluorine", "", "gfn2opt-to-g4mp2",
        f"{NESTED}: the same, with fluorine", G4MP2),
    *(
        Row(f"SMILES alone by AIMNet2 → G4(MP2), H B C N O F Si P S Cl: {rows}", "",
            "aimnet2opt-to-g4mp2", f"{NESTED}: {rows}", G4MP2)
        for rows in ("all", "up to 9 heavy atoms, inside or not",
                     "10 to 14 heavy atoms, inside or not", "15 to 20 heavy atoms, inside or not",
                     "inside", "with S", "with Cl", "with Si", "with F bound to sp3 carbon")
    ),
    Row("the same, enthalpy of formation at 298 K against experiment", "", "aimnet2opt-to-g4mp2",
        f"{NESTED}, against experiment: all", ENTHALPY),
    Row("G4(MP2) itself on the same molecules", "", "aimnet2opt-to-g4mp2",
        "G4(MP2) itself, against experiment: all", ENTHALPY),
    *(
        Row(f"{what}, by AIMNet2, {rows}", "", ORBITALS_BY_AIMNET2, f"{OUT_OF_FOLD}: {group}",
            quantity)
        for rows, group in (("battery-like molecules of ten elements", BATTERY),
                            ("PPE1694 at its geometries, up to 9 heavy atoms",
                             f"{PPE}, up to 9 heavy atoms"),
                            ("PPE1694 at its geometries, 10 heavy atoms and more",
                             f"{PPE}, 10 and more heavy atoms"))
        for what, quantity in ORBITALS
    ),
    *(
        Row(f"{what}, by AIMNet2, {rows}", "", ORBITALS_BY_AIMNET2, group, quantity)
        for rows, group in (("QM9 at its geometries", train.AT_B3LYP),
                            ("QM9 from SMILES alone", train.FROM_SMILES))
        for what, quantity in ORBITALS
    ),
    Row("HOMO, eV, from SMILES alone, `gfn2-opt`", "", "qm9-gfn2opt-delta", FROM_SMILES,
        "homo_b3lyp_ev"),
    Row("LUMO, eV, from SMILES alone, `gfn2-opt`", "", "qm9-gfn2opt-delta", FROM_SMILES,
        "lumo_b3lyp_ev"),
)  # fmt: skip


def main() -> None:
    """Write the table and the plot."""
    draw()
    (HERE / "README.md").write_text(table(), encoding="utf-8")


def table() -> str:
    """The text of `README.md`."""
    lines = [
        "# Accuracy: the reference paper and this project",
        "",
        "Mean absolute errors on molecules that were not trained on, in kcal/mol where nothing",
        "else is said. Written by `python docs/accuracy/make_table.py` from the cards of the",
        "bundles, each of which `screener train` wrote. In parentheses: 95 % intervals, by",
        "resampling.",
        "",
        "![Learning curves](learning_curves.svg)",
        "",
        "| | paper (trained on) | ours | n | trained on | made by `screener train` |",
        "|---|---|---|---|---|---|",
        *(cells(row) for row in ROWS),
    ]
    return "\n".join(lines) + "\n"


def draw() -> None:
    """The learning curves, the paper's dashed."""
    matplotlib.rcParams["svg.hashsalt"] = "screener"  # the same file from the same figures
    figure = Figure(figsize=(6.5, 4.5), layout="constrained")
    axes = figure.subplots()
    for curve in CURVES:
        axes.loglog(*zip(*curve.paper.items(), strict=True), "o--", color=curve.colour, mfc="none",
                    label=f"{curve.what}, {curve.levels[0]}, paper")  # fmt: skip
        cards = [card for card in (read_card(name)[0] for name in curve.cards) if card]
        points = [(trained_on(c), c["metrics"][AT_B3LYP][ENERGY]["mae"]) for c in cards]
        if points:
            axes.loglog(*zip(*points, strict=True), "s-", color=curve.colour,
                        label=f"{curve.what}, {curve.levels[1]}, ours")  # fmt: skip
    axes.set_xlabel("molecules trained on")
    axes.set_ylabel("mean absolute error, kcal/mol")
    axes.grid(which="both", alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(HERE / "learning_curves.svg", metadata={"Date": None})


def cells(row: Row | Evaluated) -> str:
    """A row of the table."""
    if isinstance(row, Evaluated):
        return evaluated(row)
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
    ours = f"{error} | {values['n']:,.0f} | {trained_on(card):,}"
    return f"| {row.what} | {row.paper} | {ours} | `{command}` |"


def evaluated(row: Evaluated) -> str:
    """The row of an evaluation."""
    path = HERE / f"{row.name}.evaluation.json"
    command = "`screener evaluate`, see README"
    if not path.exists():
        return f"| {row.what} | {row.paper} | not measured | | | {command} |"
    (values,) = json.loads(path.read_text(encoding="utf-8"))
    card, _ = read_card(RUNG)
    assert card is not None  # it ships
    n = f"{values['n']}, the {values['in_domain']:.0%} inside the domain"
    ours = f"{values['mae']:.3f} | {n} | {trained_on(card):,}"
    return f"| {row.what} | {row.paper} | {ours} | {command} |"


def trained_on(card: dict[str, Any]) -> int:
    """Molecules that a model was fitted on."""
    data = card["data"]
    n: int = data["fit"]["n"] if "fit" in data else data["n"]
    return n


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
