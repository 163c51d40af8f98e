"""Write `ppe1694.parquet`: B3LYP/6-31G(2df,p) single points at the geometries of PPE1694.

    python screener/data/b3lyp/make_ppe1694.py --journal FOLDER [--part 0/2]     compute
    python screener/data/b3lyp/make_ppe1694.py --journal FOLDER --collect        write the file

`SCREENER_REFERENCE_DATA` names the folder with `ppe1694_g4mp2.parquet` (Das et al., J. Chem. Phys.
154, 044113 (2021)), of which nothing is copied but names: the file holds what was computed at its
geometries, by `screener.chemistry.b3lyp`. All its closed-shell molecules of ten elements are done,
small ones and those of 10 to 14 heavy atoms in turn. Each is written to the journal when it is
done; what is there, or in the file already, is not computed again.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from screener.chemistry.b3lyp import ELEMENTS, with_b3lyp
from screener.errors import MoleculeError
from screener.execution.child import isolated_map
from screener.execution.threads import one_thread
from screener.records import Structure

TARGET = Path(__file__).with_name("ppe1694.parquet")
WALL_CLOCK_SECONDS = 3 * 3600.0
COLUMNS = ("energy_b3lyp_ha", "homo_b3lyp_ev", "lumo_b3lyp_ev", "dipole_b3lyp_debye")
MEDIUM = range(10, 15)  # heavy atoms

Row = dict[str, Any]


def main() -> None:
    """Compute what is left, or collect what is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--part", default="0/1", help="I/N: every N-th molecule, from the I-th")
    parser.add_argument("--collect", action="store_true")
    arguments = parser.parse_args()
    arguments.journal.mkdir(parents=True, exist_ok=True)
    done = known(arguments.journal)
    if arguments.collect:
        write(done)
        return
    one_thread()
    part, n_parts = map(int, arguments.part.split("/"))
    with (arguments.journal / f"part-{part}.jsonl").open("a", encoding="utf-8") as journal:
        for name, structure in list(molecules())[part::n_parts]:
            if name not in done:
                journal.write(json.dumps(computed(name, structure)) + "\n")
                journal.flush()


def molecules() -> Iterator[tuple[str, Structure]]:
    """Names and geometries, small molecules and those of medium size in turn, the cheap first."""
    path = Path(os.environ["SCREENER_REFERENCE_DATA"]) / "ppe1694_g4mp2.parquet"
    table = pd.read_parquet(path)
    known_elements = table["atomic_numbers"].map(lambda numbers: set(numbers) <= ELEMENTS)
    table = table[known_elements & (table["charge"] == 0) & (table["multiplicity"] == 1)]
    table = table.sort_values(["n_heavy", "n_atoms", "name"])
    medium = table["n_heavy"].isin(MEDIUM)
    for pair in zip_longest(table[~medium].itertuples(), table[medium].itertuples()):
        for row in filter(None, pair):
            positions = np.asarray(row.positions, dtype=np.float32).reshape(-1, 3)
            yield row.name, Structure(np.asarray(row.atomic_numbers, np.uint8), positions)


def computed(name: str, structure: Structure) -> Row:
    """What became of a molecule."""
    began = time.monotonic()
    (outcome,) = isolated_map(with_b3lyp, [structure], wall_clock_seconds=WALL_CLOCK_SECONDS)
    row: Row = {"name": name, "seconds": round(time.monotonic() - began, 1)}
    if isinstance(outcome, MoleculeError):
        return row | {"code": outcome.code, "message": outcome.message}
    return row | {column: outcome.values[column] for column in COLUMNS} | {"code": ""}


def known(journal: Path) -> dict[str, Row]:
    """What was computed, by name: in the file, and in journals whose last line may be cut off."""
    rows: dict[str, Row] = {}
    if TARGET.exists():
        rows |= {row["name"]: row for row in pq.read_table(TARGET).to_pylist()}
    for path in sorted(journal.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):
                row = json.loads(line)
                rows[row["name"]] = row
    return rows


def write(rows: dict[str, Row]) -> None:
    """Write the file, sorted by name."""
    names = sorted(rows)
    table = pa.table(
        {
            "name": names,
            **{
                column: pa.array([rows[name].get(column) for name in names], pa.float64())
                for column in COLUMNS
            },
            "code": [rows[name]["code"] for name in names],
            "message": [rows[name].get("message", "") or "" for name in names],
        }
    )
    pq.write_table(table, TARGET, compression="zstd")
    failed = sum(bool(rows[name]["code"]) for name in names)
    print(f"{len(names)} molecules in {TARGET.name}, {failed} of them failed")


if __name__ == "__main__":
    main()
