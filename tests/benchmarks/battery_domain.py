"""Of how many molecules in use in batteries each shipped model can speak, as far as drawings tell.

    python tests/benchmarks/battery_domain.py [--families]

Two lists are read: molecules of C, H, N, O and F that were looked for in the literature, and those
of other classes, each with the publication that says so (`screener/data/examples`).
"""

import argparse
from importlib.resources import files

import pandas as pd
from rdkit import Chem

from screener.inference.coverage import coverage
from screener.models.shipped import shipped_bundles

LISTS = {
    "C, H, N, O, F, mostly": "known-molecules.csv",
    "other classes": "molecules-in-use.csv",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--families", action="store_true", help="of the other classes, by family")
    arguments = parser.parse_args()
    folder = files("screener") / "data" / "examples"
    tables = {name: pd.read_csv(str(folder / file)) for name, file in LISTS.items()}
    tables["all"] = pd.concat(tables.values())
    if arguments.families:
        tables |= dict(list(tables["other classes"].groupby("family")))
    for name, table in tables.items():
        smiles = [Chem.CanonSmiles(each) for each in table["smiles"]]
        print(f"{name} ({len(smiles)} molecules)")
        for each in coverage(smiles, shipped_bundles()):
            reason = next(iter(each.reasons.items()), None)
            first = "" if reason is None else f"; first reason: {reason[0]} ({reason[1]})"
            share = each.n_inside / each.n_molecules
            print(f"  {share:4.0%} {', '.join(each.bundles)}{first}")


if __name__ == "__main__":
    main()
