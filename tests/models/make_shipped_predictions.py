"""Writes `shipped_predictions.json`: what the shipped bundles predict, and of which structures.

    python -m tests.models.make_shipped_predictions

What the file says of a bundle stays; take a bundle out of it that is meant to predict something
else. The structures are in the file, so that another version of RDKit or tblite changes nothing.
"""

import json
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from screener.chemistry.gfn2 import with_gfn2
from screener.chemistry.identity import mol_id
from screener.chemistry.structures import StructureSettings, make_structure
from screener.errors import MoleculeError
from screener.models.bundle import Bundle, load_bundle
from screener.models.low_values import LowValues
from screener.models.shipped import shipped_bundles
from screener.records import Structure

FILE = Path(__file__).parent / "shipped_predictions.json"
GIVEN = "ae0_b3lyp_kcal"  # low value of the bundles that compute none
SMILES = (  # electrolyte solvents of the example library, and molecules that are outside
    "O=C1OCCO1", "C[C@@H]1COC(=O)O1", "COC(=O)OC", "CCOC(=O)OC", "C=CCOC(=O)OC(C)C", "C1COCO1",
    "COCCOC", "COCCCOC1CC1", "C1CCOC1", "O=C1CCCO1", "CC(=O)OCC", "CCC(=O)OCC1CC1",
    "CCCCOC(=O)CCCC", "C#CCOC(=O)COC", "CC#N", "N#CCCC#N", "CCCOCCOCCC#N", "CN(C)C=O", "CN1CCCC1=O",
    "CCN(C)C(C)=O", "CC(C)=O", "CC(C)O", "C1CC1", "c1ccncc1", "c1ccc2[nH]ccc2c1", "FC(F)(F)COC",
    "CC(F)F", "Cc1cnc(F)cn1", "O=C1OC[C@H](F)O1", "CC(C)CCOC(=O)OCCF", "CS(C)(=O)=O", "C" * 15,
)  # fmt: skip


def this_machine() -> dict[str, str]:
    """What the last digits of a prediction depend on."""
    return {
        "machine": platform.machine(),
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


def structures(level: str) -> Iterator[tuple[str, Structure]]:
    """Structures of `SMILES`; those of b3lyp, which is not computed here, stand at gfn2-opt."""
    settings = StructureSettings(level="gfn2-opt" if level == "b3lyp-opt" else level)
    for smiles in SMILES:
        try:
            yield smiles, make_structure(smiles, mol_id(smiles), settings)
        except MoleculeError as error:
            raise SystemExit(f"{smiles}: {error}") from error


def stored(document: dict[str, Any], level: str) -> Iterator[Structure]:
    """Structures of the file."""
    for each in document["structures"][level]:
        yield Structure(
            np.array(each["atomic_numbers"], np.uint8),
            np.array(each["positions"], np.float32).reshape(-1, 3),
            each["values"],
        )


def predicted(
    bundle: Bundle, known: list[Structure], given: list[float] | None
) -> list[dict[str, Any]]:
    """Rows of the bundle's table."""
    low = None if given is None else {GIVEN: np.array(given)}
    rows: list[dict[str, Any]] = bundle.predict(known, low).to_pylist()
    return rows


def main() -> None:
    """Make structures and predictions and write the file."""
    torch.set_num_threads(1)
    document: dict[str, Any] = json.loads(FILE.read_text())
    missing = [name for name in shipped_bundles() if name not in document["bundles"]]
    with threadpool_limits(1):
        for bundle in map(load_bundle, missing):
            level = bundle.card.geometry_level
            if level not in document["structures"]:
                document["structures"][level] = [
                    {
                        "smiles": smiles,
                        "atomic_numbers": each.atomic_numbers.tolist(),
                        "positions": each.positions.ravel().tolist(),
                        "values": dict(each.values),
                    }
                    for smiles, each in structures(level)
                ]
            needed = LowValues(() if bundle.card.given_low else bundle.card.targets().low_columns)
            for row, each in zip(
                document["structures"][level], stored(document, level), strict=True
            ):
                if not set(needed.read) <= set(each.values):
                    row["values"] = dict(with_gfn2(each).values)
            known = list(stored(document, level))
            given = None
            if bundle.card.given_low:  # any value does: what is learned is added to it
                given = [round(50.0 * each.n_atoms, 3) for each in known]
            document["bundles"][bundle.card.name] = {
                "machine": this_machine(),
                "level": level,
                "given": given,
                "rows": predicted(bundle, known, given),
            }
    FILE.write_text(json.dumps(document, separators=(",", ":")).replace('{"smiles', '\n{"smiles')
                    .replace('{"ae0', '\n{"ae0') + "\n")  # fmt: skip


if __name__ == "__main__":
    main()
