"""Whether presets rank known good molecules above known bad ones: ROC AUC over the rows in domain.

    python tests/benchmarks/known_chemistry.py
    python tests/benchmarks/known_chemistry.py --level gfn2-opt

Molecules and their sources stand in `known_chemistry.csv` beside this. They are predicted by the
direct model that ships, or at `gfn2-opt` by the delta model, with the potentials of ions. `scored`
uses the desirabilities alone, without any constraint, so that it says what the predicted quantities
know; `ranked` puts what a constraint excludes last. Bounds of the presets were chosen with some of
these molecules in view, and the preset files say with which; nothing was fitted.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import pyarrow as pa

from screener.chemistry.levels import GFN2_REDOX
from screener.chemistry.standardise import StandardiseSettings, standardise
from screener.chemistry.structures import StructureSettings, make_structure
from screener.errors import MoleculeError
from screener.execution.threads import one_thread
from screener.inference.table import predictions
from screener.models.bundle import load_bundle
from screener.ranking.presets import load_preset
from screener.ranking.score import score_table

LIST = Path(__file__).with_suffix(".csv")
BUNDLES = {"mmff94": "qm9-mmff94-direct", "gfn2-opt": "qm9-gfn2opt-delta"}
# which kinds a preset should rank above which others
PRESETS = {
    "electrolyte-solvent": (("good",), ("bad", "quinone")),
    "high-voltage-additive": (("good", "additive"), ("bad", "quinone")),
    "redox-active": (("quinone",), ("good",)),
}


def roc_auc(good: np.ndarray, bad: np.ndarray) -> float:
    """Share of pairs in which the good one stands above the bad one; ties count half."""
    pairs = np.subtract.outer(good, bad)
    return float(np.mean((pairs > 0) + 0.5 * (pairs == 0)))


def predicted(smiles: list[str], level: str) -> pa.Table:
    """The prediction table of molecules, in their order; a row per molecule with a structure."""
    bundle = load_bundle(BUNDLES[level])
    values = (GFN2_REDOX.name,) if level == GFN2_REDOX.start else ()
    geometry = StructureSettings.at(level, bundle.card.n_conformers, values)
    rows, outcomes = [], []
    for row, text in enumerate(smiles):
        molecule = standardise(text, StandardiseSettings())[0]
        rows.append({"row": row, "source_id": "", **molecule._asdict()})
        try:
            outcomes.append(make_structure(molecule.smiles, molecule.mol_id, geometry))
        except MoleculeError as error:
            outcomes.append(error)
    return predictions(pa.Table.from_pylist(rows), outcomes, bundle, {}, geometry.value_columns)


def main() -> None:
    """Predict and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--level", choices=list(BUNDLES), default="mmff94")
    asked = parser.parse_args()
    one_thread()
    with LIST.open(encoding="utf-8") as lines:
        listed = list(csv.DictReader(lines))
    table = predicted([row["smiles"] for row in listed], asked.level)
    table = table.filter(table["in_domain"])
    inside = [listed[row] for row in table["row"].to_pylist()]
    kinds = np.array([row["kind"] for row in inside])
    for kind in dict.fromkeys(row["kind"] for row in listed):
        outside = [row["name"] for row in listed if row["kind"] == kind and row not in inside]
        print(f"{kind}: {(kinds == kind).sum()} in domain, outside: {', '.join(outside) or 'none'}")
    for name, (better, worse) in PRESETS.items():
        preset = load_preset(name)
        ranked = np.nan_to_num(score_table(table, preset).score, nan=-1.0)
        scored = score_table(table, preset.model_copy(update={"constraints": ()})).score
        told = np.isfinite(scored)  # the others have a prediction that is too uncertain
        good, bad = np.isin(kinds, better) & told, np.isin(kinds, worse) & told
        print(
            f"{name}, {' and '.join(better)} above {' and '.join(worse)}: ROC AUC "
            f"{roc_auc(scored[good], scored[bad]):.3f} scored, "
            f"{roc_auc(ranked[good], ranked[bad]):.3f} ranked; too uncertain: "
            f"{(~told & np.isin(kinds, [*better, *worse])).sum()}"
        )
        for place in np.argsort(-scored):
            if good[place] or bad[place]:
                mark = "+" if good[place] else "-"
                print(f"  {scored[place]:.3f} {mark} {inside[place]['name']}")


if __name__ == "__main__":
    main()
