"""From SMILES to an energy: ours against `chemprop predict`, a network on molecular graphs.

    python -m venv peers/chemprop && peers/chemprop/bin/pip install chemprop
    export SCREENER_CHEMPROP_PYTHON=peers/chemprop/bin/python
    python tests/benchmarks/bench.py --only graphs

Chemprop's default network, trained for five epochs: what it predicts is of no use, how fast is
what a trained one would be. Its command runs in a process that has imported everything already.
"""

import shlex
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
from alternating import Comparison, Variant, compare
from peer import Peer
from scene import Scene, Stage

from screener.chemistry.structures import StructureSettings, make_structure
from screener.models.bundle import load_bundle
from screener.records import Structure

BUNDLE, ENERGY = "qm9-mmff94-direct", "ae0_b3lyp_kcal"
PYTHON = "SCREENER_CHEMPROP_PYTHON"  # interpreter of an environment that has chemprop
COMMON = "--smiles-columns smiles --accelerator cpu --devices 1 --num-workers 0 -q"


def run(scene: Scene, n_molecules: int, n_rounds: int) -> Comparison:
    bundle = load_bundle(BUNDLE)
    geometry = StructureSettings(level=bundle.card.geometry_level)
    with closing(Peer("chemprop", PYTHON, "chemprop_peer.py", ())) as peer:
        molecules = Stage(scene, scene.build(scene.sample(n_molecules)), geometry).molecules

        def structures() -> list[Structure]:
            return [make_structure(*molecule, geometry) for molecule in molecules]

        def energies(made: list[Structure]) -> np.ndarray:
            found: np.ndarray = bundle.predict(made)[ENERGY].to_numpy()
            assert len(found) == len(molecules)
            return found

        made = structures()
        folder = Path(scene.new_folder())
        folder.mkdir()
        table = pd.DataFrame({"smiles": [smiles for smiles, _ in molecules]})
        table.assign(energy=energies(made)).to_csv(folder / "in.csv", index=False)
        given = f"-i {shlex.quote(str(folder / 'in.csv'))} {COMMON}"
        trained = shlex.quote(str(folder / "trained"))
        peer.ask(f"train {given} --target-columns energy --epochs 5 -o {trained}")
        out = folder / "out.csv"

        def predict() -> None:
            peer.ask(f"predict {given} --model-paths {trained} -o {shlex.quote(str(out))}")
            assert len(pd.read_csv(out)) == len(molecules)

        variants = [
            Variant("from SMILES, by a force-field structure", lambda: energies(structures())),
            Variant("from structures", lambda: energies(made)),
            Variant("chemprop predict", predict),
        ]
        return compare("energies from SMILES", len(molecules), variants, n_rounds)
