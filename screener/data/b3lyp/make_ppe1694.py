"""Write `ppe1694.parquet`: B3LYP/6-31G(2df,p) single points at the geometries of PPE1694.

    python screener/data/b3lyp/make_ppe1694.py --journal FOLDER [--processes N]     compute
    python screener/data/b3lyp/make_ppe1694.py --journal FOLDER --collect           write the file

`SCREENER_REFERENCE_DATA` names the folder with `ppe1694_g4mp2.parquet` (Das et al., J. Chem. Phys.
154, 044113 (2021)), of which nothing is copied but names: the file holds what was computed at its
geometries, by `screener.chemistry.b3lyp`. All its closed-shell molecules of ten elements are done,
the cheap ones first; half of the time goes to those of 10 to 14 heavy atoms from the beginning.
Each is written to the journal when it is done; what is there, or in the file already, is not
computed again, unless it only ran out of time.
"""

import argparse
import contextlib
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from screener.chemistry.b3lyp import ELEMENTS, with_b3lyp
from screener.errors import MoleculeError
from screener.execution.child import isolated_map
from screener.records import Structure

TARGET = Path(__file__).with_name("ppe1694.parquet")
WALL_CLOCK_SECONDS = 12 * 3600.0  # far more than any takes, also at the lowest priority
MEMORY_BYTES = 8 << 30
COLUMNS = ("energy_b3lyp_ha", "homo_b3lyp_ev", "lumo_b3lyp_ev", "dipole_b3lyp_debye")
MEDIUM = range(10, 15)  # heavy atoms

Row = dict[str, Any]


def main() -> None:
    """Compute what is left, or collect what is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--processes", type=int, default=1, help="molecules at a time")
    parser.add_argument("--collect", action="store_true")
    arguments = parser.parse_args()
    arguments.journal.mkdir(parents=True, exist_ok=True)
    if arguments.collect:
        write(known(arguments.journal))
    else:
        compute(arguments.journal, arguments.processes)


def compute(folder: Path, n_processes: int) -> None:
    """Do what is not done yet, several molecules at a time, each in a process of its own."""
    planned = list(molecules())
    print(f"{len(planned)} molecules, {len(done(folder))} of them done", flush=True)
    with (folder / "ppe1694.jsonl").open("a+", encoding="utf-8") as journal:
        # a line that was cut off ends here, so that the next one is whole
        journal.seek(max(0, journal.tell() - 1))
        if journal.read(1) not in ("", "\n"):
            journal.write("\n")
        with ThreadPoolExecutor(n_processes) as pool:
            waiting = [pool.submit(computed, folder, *molecule) for molecule in planned]
            try:
                for n_finished, future in enumerate(as_completed(waiting), start=1):
                    if row := future.result():
                        journal.write(json.dumps(row) + "\n")
                        journal.flush()
                        print(n_finished, row, flush=True)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)


def molecules() -> Iterator[tuple[str, Structure]]:
    """Names and geometries: the cheap first, half of the work at any time of medium size."""
    path = Path(os.environ["SCREENER_REFERENCE_DATA"]) / "ppe1694_g4mp2.parquet"
    table = pd.read_parquet(path)
    known_elements = table["atomic_numbers"].map(lambda numbers: set(numbers) <= ELEMENTS)
    table = table[known_elements & (table["charge"] == 0) & (table["multiplicity"] == 1)].copy()
    table["work"] = table["atomic_numbers"].map(work)
    table["spent"] = (
        table.sort_values(["work", "name"])
        .groupby(table["n_heavy"].isin(MEDIUM).rename("medium"))["work"]
        .cumsum()
    )
    for row in table.sort_values(["spent", "name"]).itertuples():
        positions = np.asarray(row.positions, dtype=np.float32).reshape(-1, 3)
        yield str(row.name), Structure(np.asarray(row.atomic_numbers, np.uint8), positions)


def work(numbers: Any) -> float:
    """What a molecule costs, in an arbitrary unit, by the number of its basis functions."""
    return float(sum(5 if number == 1 else 31 if number < 11 else 35 for number in numbers) ** 2.5)


def computed(folder: Path, name: str, structure: Structure) -> Row | None:
    """What became of a molecule; None if it was done meanwhile, perhaps by another process."""
    if name in done(folder):
        return None
    began = time.monotonic()
    try:
        (outcome,) = isolated_map(
            with_b3lyp,
            [structure],
            wall_clock_seconds=WALL_CLOCK_SECONDS,
            memory_bytes=MEMORY_BYTES,
        )
    except Exception as error:  # noqa: BLE001 - a bug at one molecule must not stop the others
        outcome = MoleculeError("error", repr(error))
    row: Row = {"name": name, "seconds": round(time.monotonic() - began, 1)}
    if isinstance(outcome, MoleculeError):
        return row | {"code": outcome.code, "message": outcome.message}
    return row | {column: outcome.values[column] for column in COLUMNS} | {"code": ""}


def done(folder: Path) -> set[str]:
    """Names of what needs no further attempt."""
    return {name for name, row in known(folder).items() if row["code"] != "timed_out"}


def known(folder: Path) -> dict[str, Row]:
    """What was computed, by name: in the file, and in journals, where a line may be cut off."""
    rows: dict[str, Row] = {}
    if TARGET.exists():
        rows |= {row["name"]: row for row in pq.read_table(TARGET).to_pylist()}
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(json.JSONDecodeError):
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
