"""Look at what `make screen` left: complete, ranked, and with every molecule accounted for.

Usage: look.py LIBRARY CAMPAIGN. Ends with exit code 1 and the first thing that is wrong.
"""

import csv
import sys
from pathlib import Path

import pyarrow.parquet as pq
from rdkit import Chem

from screener import Campaign, Library

N_TOP = 100
library, campaign = map(Path, sys.argv[1:])


def require(condition: bool, complaint: str) -> None:
    """Stop with the complaint unless the condition holds."""
    if not condition:
        sys.exit(f"make screen left something wrong: {complaint}")


for name in ("campaign.toml", "provenance.json", "shortlist.csv", "shortlist.sdf", "report.html"):
    path = campaign / name
    require(path.is_file() and path.stat().st_size > 0, f"{path} is missing or empty")

shortlist = pq.read_table(campaign / "shortlist.parquet")
ranks = shortlist["rank"].to_pylist()
scores = shortlist["score"].to_pylist()
ids = shortlist["mol_id"].to_pylist()
require(ranks == list(range(1, N_TOP + 1)), f"the shortlist has {len(ranks)} ranks: {ranks[:5]}...")
require(scores == sorted(scores, reverse=True), "the scores of the shortlist do not fall with rank")
require(len(set(ids)) == N_TOP, "a molecule is in the shortlist twice")

with (campaign / "shortlist.csv").open(newline="", encoding="utf-8") as lines:
    in_csv = [row["mol_id"] for row in csv.DictReader(lines)]
require(in_csv == ids, "shortlist.csv differs from shortlist.parquet")

readable = [mol is not None for mol in Chem.SDMolSupplier(str(campaign / "shortlist.sdf"))]
require(readable == [True] * N_TOP, f"shortlist.sdf holds {sum(readable)} readable molecules")

n_rows = len(Library.open(library))
accounts = Campaign(out=campaign).accounts()
require(n_rows >= 5000, f"the example library has {n_rows} molecules")
require(accounts["rows"].sum() == n_rows, f"of {n_rows} molecules this became:\n{accounts}")
unfinished = accounts[accounts["state"].str.contains("not done")]
require(unfinished.empty or not unfinished["rows"].sum(), f"rows are not done:\n{accounts}")
