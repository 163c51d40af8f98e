"""Look at what `make screen` left: complete, ranked, and with every molecule accounted for.

Usage: look.py LIBRARY CAMPAIGN. Ends with exit code 1 and the first thing that is wrong.
"""

import csv
import sys
from pathlib import Path

import pyarrow.parquet as pq
from rdkit import Chem

library, campaign = map(Path, sys.argv[1:])


def require(condition: bool, complaint: str) -> None:
    """Stop with the complaint unless the condition holds."""
    if not condition:
        sys.exit(f"make screen left something wrong: {complaint}")


for name in (
    "campaign.toml",
    "provenance.json",
    "shortlist.parquet",
    "shortlist.csv",
    "report.html",
):
    path = campaign / name
    require(path.is_file() and path.stat().st_size > 0, f"{path} is missing or empty")

shortlist = pq.read_table(campaign / "shortlist.parquet")
ranks = shortlist["rank"].to_pylist()
scores = shortlist["score"].to_pylist()
require(ranks == list(range(1, 101)), f"the ranks of the shortlist are {ranks[:5]}...")
require(scores == sorted(scores, reverse=True), "the scores of the shortlist do not fall with rank")
require(len(set(shortlist["mol_id"].to_pylist())) == 100, "a molecule is in the shortlist twice")

with (campaign / "shortlist.csv").open(newline="", encoding="utf-8") as lines:
    in_csv = [row["mol_id"] for row in csv.DictReader(lines)]
require(in_csv == shortlist["mol_id"].to_pylist(), "shortlist.csv differs from shortlist.parquet")

drawn = [mol is not None for mol in Chem.SDMolSupplier(str(campaign / "shortlist.sdf"))]
require(len(drawn) == 100 and all(drawn), f"shortlist.sdf holds {sum(drawn)} readable molecules")
