"""Whether presets rank known good solvents above known bad ones: ROC AUC over the rows in domain.

    python tests/benchmarks/known_chemistry.py

Molecules and their sources stand in `known_chemistry.csv` beside this. They are predicted by the
direct model that ships. `scored` uses the desirabilities alone, without any constraint, so that it
says what the predicted quantities know; `ranked` puts what a constraint excludes last.
"""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

import screener
from screener.ranking.presets import load_preset
from screener.ranking.score import score_table

LIST = Path(__file__).with_suffix(".csv")
PRESETS = ("electrolyte-solvent", "high-voltage-additive")


def roc_auc(good, bad):
    """Share of pairs in which the good one stands above the bad one; ties count half."""
    pairs = np.subtract.outer(np.asarray(good), np.asarray(bad))
    return float(np.mean((pairs > 0) + 0.5 * (pairs == 0)))


def main():
    with LIST.open(encoding="utf-8") as lines:
        listed = pd.DataFrame(csv.DictReader(lines))
    predicted = screener.load_model("qm9-mmff94-direct").predict(listed["smiles"].tolist())
    inside = (predicted["in_domain"].fillna(False) & (predicted["code"] == "")).to_numpy(bool)
    is_good = (listed["kind"] == "good").to_numpy()
    print(f"in domain: {(inside & is_good).sum()} good, {(inside & ~is_good).sum()} bad")
    print(f"outside:   {(~inside & is_good).sum()} good, {(~inside & ~is_good).sum()} bad")
    print("outside:  ", ", ".join(listed["name"][~inside]))
    table = pa.Table.from_pandas(predicted[inside], preserve_index=False)
    good = is_good[inside]
    for name in PRESETS:
        preset = load_preset(name)
        ranked = np.nan_to_num(score_table(table, preset).score, nan=-1.0)
        free = preset.model_copy(update={"constraints": ()})
        scored = score_table(table, free).score
        print(
            f"{name}: ROC AUC {roc_auc(scored[good], scored[~good]):.3f} scored, "
            f"{roc_auc(ranked[good], ranked[~good]):.3f} ranked"
        )
        order = np.argsort(-scored)
        for place in order:
            mark = "good" if good[place] else "bad "
            print(f"  {scored[place]:.3f} {mark} {listed['name'][inside].iloc[place]}")


if __name__ == "__main__":
    main()
