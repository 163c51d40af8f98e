"""A million candidates to a shortlist: enumeration, library and a campaign that searches.

    python tests/benchmarks/funnel_million.py --folder FOLDER --molecules 1000000 --budget 50000

Prints the wall time of each of the three commands and of all, the rows that each stage evaluated,
and the recall that the campaign states. What is there already is not made again, so the times are
those of a new folder only.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from screener.campaign.results.recall import read_recall, recall_text
from screener.campaign.results.status import status
from screener.stores.files import Folder


def timed(*command: str) -> float:
    """Run a command of screener; returns its wall time, seconds."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "screener", *command], check=True)
    seconds = time.perf_counter() - started
    print(f"{seconds:8.0f} s  screener {' '.join(command)}", flush=True)
    return seconds


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", required=True)
    parser.add_argument("--molecules", type=int, default=1_000_000)
    parser.add_argument("--budget", type=int, default=50_000)
    parser.add_argument("--top", type=int, default=100)
    parser.add_argument("--preset", default="electrolyte-solvent")
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    folder = Path(asked.folder)
    folder.mkdir(parents=True, exist_ok=True)
    candidates, library, campaign = (
        str(folder / name) for name in ("candidates.smi.gz", "library", "campaign")
    )
    workers = ("--workers", str(asked.workers))
    seconds = 0.0
    if not Path(candidates).exists():
        seconds += timed(
            *("library", "enumerate", "battery", "--out", candidates),
            *("--limit", str(asked.molecules), "--inside", "qm9-mmff94-direct"),
            *("--domain-sample", "0", *workers),
        )
    seconds += timed("library", "build", candidates, "--out", library, *workers)
    seconds += timed(
        *("screen", library, "--out", campaign, "--preset", asked.preset),
        *("--budget", str(asked.budget), "--top", str(asked.top), *workers),
    )
    found = status(Folder(campaign))
    for stage in found.stages:
        print(
            f"{stage.name}: {stage.n_rows_done:,} rows, {stage.n_out_of_domain:,} out of domain, "
            f"{stage.n_quarantined:,} quarantined"
        )
    for told in read_recall(Folder(campaign)):
        print(f"recall at {told['stage']}: {recall_text(told)}")
    print(f"{seconds / 60:.1f} minutes in all, {found.shortlisted} in the shortlist")


if __name__ == "__main__":
    main()
