"""Write `battery.parquet`: B3LYP labels of battery-like molecules at the geometries of AIMNet2.

    screener library build screener/data/b3lyp/battery_molecules.csv --out LIBRARY
    screener labels LIBRARY --level b3lyp --out LABELS
    python screener/data/b3lyp/make_battery.py LABELS...

Labels of parts of `battery_molecules.csv` may lie in several folders. What is in the file already
stays; what they set aside goes in with its reason.
"""

import argparse
import csv
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent
TARGET = HERE / "battery.parquet"
VALUES = ("energy_b3lyp_ha", "homo_b3lyp_ev", "lumo_b3lyp_ev", "dipole_b3lyp_debye")
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("class", pa.string()),
        ("smiles", pa.string()),
        ("atomic_numbers", pa.list_(pa.uint8())),
        ("positions", pa.list_(pa.float32())),  # angstrom, x1, y1, z1, x2 and so on
        *((name, pa.float64()) for name in VALUES),
        ("code", pa.string()),  # why a molecule has no labels, or empty
    ]
)

Row = dict[str, Any]


def main() -> None:
    """Read what is there, add what is new, and write it in the order of `battery_molecules.csv`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("labels", type=Path, nargs="+")
    folders = parser.parse_args().labels
    with (HERE / "battery_molecules.csv").open(encoding="utf-8", newline="") as lines:
        chosen = {row["id"]: row for row in csv.DictReader(lines)}
    rows: dict[str, Row] = {}
    if TARGET.exists():
        rows |= {row["id"]: row for row in pq.read_table(TARGET).to_pylist()}
    for folder in folders:
        for row in pq.read_table(folder / "labels.parquet").to_pylist():
            rows[row["source_id"]] = {**row, "code": ""}
        for row in pq.read_table(folder / "quarantine.parquet").to_pylist():
            rows[row["source_id"]] = {"code": row["code"]}
    table = pa.Table.from_pylist(
        [
            {"smiles": each["smiles"], "atomic_numbers": [], "positions": [], **rows[name]}
            | {"id": name, "class": each["class"]}
            for name, each in chosen.items()
            if name in rows
        ],
        schema=SCHEMA,
    )
    pq.write_table(table, TARGET, compression="zstd")
    n_failed = sum(code != "" for code in table["code"].to_pylist())
    print(f"{table.num_rows} molecules in {TARGET.name}, {n_failed} of them without labels")


if __name__ == "__main__":
    main()
