"""Whether GFN2-xTB orders known solvents by oxidation as a voltmeter does: rank correlations.

    python tests/benchmarks/known_redox.py

`known_redox.csv` beside this holds oxidation limits of solvents with 0.65 mol/l of a
tetraethylammonium salt on glassy carbon, in V against a saturated calomel electrode: Ue, Ida, Mori,
J. Electrochem. Soc. 141, 2989 (1994), and for open carbonates and ethers Ue, Takeda, Takehara,
Mori, J. Electrochem. Soc. 144, 2684 (1997). A limit is where the current exceeds a threshold,
so that follow-up reactions are part of it. The reduction limits there are mostly those of the
salt's cation and say nothing of the solvent.

Each molecule is made into a structure from its SMILES; nothing was fitted to these numbers.
"""

import csv
from pathlib import Path

from scipy.stats import spearmanr

from screener.chemistry.identity import mol_id
from screener.chemistry.structures import StructureSettings, make_structure
from screener.execution.threads import one_thread

LIST = Path(__file__).with_suffix(".csv")


def main() -> None:
    """Compute and print."""
    one_thread()
    settings = StructureSettings.at("gfn2-opt", 10, ("gfn2-redox",))
    with LIST.open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    columns: dict[str, list[float]] = {name: [] for name in ("measured", "eox", "ip", "-homo")}
    print(f"{'':28} {'measured, V/SCE':>16} {'GFN2, V/Li':>16}")
    for row in rows:
        structure = make_structure(row["smiles"], mol_id(row["smiles"]), settings)
        names = ("eox_uncorrected_gfn2_v_li", "ip_uncorrected_gfn2_ev", "homo_gfn2_ev")
        eox, ip, homo = (structure.values[name] for name in names)
        values = (float(row["oxidation_v_sce"]), eox, ip, -homo)
        for column, value in zip(columns.values(), values, strict=True):
            column.append(value)
        print(f"{row['name']:28} {values[0]:16.1f} {values[1]:16.2f}")
    for name in ("eox", "ip", "-homo"):
        rank = spearmanr(columns["measured"], columns[name]).statistic
        print(f"Spearman, measured and {name}: {rank:.2f} over {len(rows)}")


if __name__ == "__main__":
    main()
