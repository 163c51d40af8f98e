"""SchNet: ours against that of torch_geometric, with the same weights, on one thread.

    python -m venv peers/pyg
    peers/pyg/bin/pip install -c constraints.txt torch torch_geometric
    SCREENER_PYG_PYTHON=peers/pyg/bin/python python tests/benchmarks/schnet.py

prints the ratios; `bench.py` has the same as `schnet` and `schnet-training`. Ours begins with
structures and finds neighbours itself. The other is given pairs and distances for nothing, since
its own neighbour list needs torch-cluster, which is not installed here. It runs in a process of its
own, the two take turns, and the network is one that has been trained a little, so that filters and
outputs are of usual sizes. The largest difference is that of energies without their baseline.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from alternating import Comparison, Variant, compare
from qm9_sets import first

from screener.errors import ConfigError
from screener.execution.threads import one_thread
from screener.models.pairs import neighbours
from screener.models.schnet import SchNet, SchNetSettings
from screener.models.schnet_evaluator import NetworkOutputs
from screener.models.schnet_fit import fit_scale, fit_schnet
from screener.models.schnet_training import LabelledNeighbours, Training, TrainingSettings

PEER = "SCREENER_PYG_PYTHON"  # interpreter of an environment that has torch_geometric
NETWORK = SchNetSettings(extensive=(True,))  # 128 features, 6 interactions, 10 angstrom
BATCH = 100  # molecules of a training step, and of the other's evaluations
STEPS = 4  # training steps of a round
TRAINED = 1_000  # molecules that the network has seen before it is compared

# our names of layers and those of torch_geometric, which holds filter networks under two names
NAMES = {
    "filter1": ("mlp.0", "conv.nn.0"),
    "filter2": ("mlp.2", "conv.nn.2"),
    "into": ("conv.lin1",),
    "out1": ("conv.lin2",),
    "out2": ("lin",),
}


class Peer:
    """The other network in its own process; it does one command after the other."""

    def __init__(self, network: SchNet, arrays: dict[str, np.ndarray], folder: Path) -> None:
        python = os.environ.get(PEER)
        if not python:
            raise ConfigError(f"{PEER} names no interpreter that has torch_geometric")
        self._values = folder / "values.npy"
        np.savez(folder / "input.npz", **arrays, **_state(network))
        script = Path(__file__).parent / "schnet_peer.py"
        self._process = subprocess.Popen(
            [python, str(script), str(folder / "input.npz"), str(self._values)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ask("ready")

    def ask(self, command: str) -> None:
        """Have a command done; returns when it is."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        if self._process.stdout.readline().strip() != "done":
            raise RuntimeError(f"{command} failed in the environment of {PEER}")

    def values(self) -> np.ndarray:
        """What it predicted last, (n_molecules,)."""
        return np.load(self._values)

    def close(self) -> None:
        """End the process."""
        self._process.communicate("")


def _state(network: SchNet) -> dict[str, np.ndarray]:
    """Weights by the names of torch_geometric."""
    ours = {name: value.numpy() for name, value in network.state_dict().items()}
    theirs = {
        "embedding.weight": ours["embedding.weight"],
        "lin1.weight": ours["head.weight"],
        "lin1.bias": ours["head.bias"],
        "lin2.weight": ours["value"],
        "lin2.bias": ours["value_bias"],
    }
    for name, value in ours.items():
        if name.startswith("interactions."):
            _, number, layer, kind = name.split(".")
            for other in NAMES[layer]:
                theirs[f"interactions.{number}.{other}.{kind}"] = value
    return {f"weights.{name}": value for name, value in theirs.items()}


@contextmanager
def _both(n_molecules: int):
    """Ours, the other, the molecules and their standardised energies."""
    known = first("fit", max(n_molecules, TRAINED))
    targets = known.high["ae0_b3lyp_kcal"][:, None]
    fit = known.structures[:TRAINED], targets[:TRAINED]
    settings = TrainingSettings(network=NETWORK, loss_weights=(1.0,), n_epochs=1, batch_size=20)
    fitted = fit_schnet(fit, (fit[0][:10], fit[1][:10]), settings)
    scale = fit_scale(*fit, NETWORK.extensive)
    structures = known.structures[:n_molecules]
    pairs = neighbours(structures, NETWORK.cutoff)
    arrays = {
        "atomic_numbers": pairs.atomic_numbers,
        "atom_offsets": pairs.atom_offsets,
        "positions": np.concatenate([structure.positions for structure in structures]),
        "idx_i": pairs.idx_i,
        "idx_j": pairs.idx_j,
        "distances": pairs.distances,
        "pair_offsets": pairs.pair_offsets,
        "targets": scale.standardised(structures, targets[:n_molecules])[:, 0],
        "batch": np.array(BATCH),
    }
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        peer = Peer(fitted.network, arrays, Path(folder))
        stack.callback(peer.close)
        yield fitted, peer, structures, arrays


def run(n_molecules: int, n_rounds: int) -> Comparison:
    """Predictions of the same molecules by both."""
    with _both(n_molecules) as (fitted, peer, structures, _):
        nothing = np.zeros((0, NETWORK.n_features), dtype=np.float32)
        ours = NetworkOutputs(fitted.network, nothing)

        def predict() -> np.ndarray:
            return np.concatenate([part.values for part in ours(structures)])[:, 0]

        peer.ask("predict")
        factor = fitted.scale.factors[0]
        worst = np.abs(predict() - peer.values()).max() * factor
        if not worst < 1e-3:
            raise AssertionError(f"predictions differ by {worst:.1e} kcal/mol")
        spread = peer.values().std() * factor
        print(f"energies of {spread:.0f} kcal/mol (std) differ by {worst:.1e} kcal/mol at most")
        variants = [
            Variant("tabulated filters", lambda: _finite(predict())),
            Variant("torch_geometric", lambda: peer.ask("predict")),
        ]
        title = f"SchNet predictions ({worst:.0e} kcal/mol)"
        return compare(title, len(structures), variants, n_rounds)


def run_training(n_rounds: int) -> Comparison:
    """Training steps of one batch: forwards, backwards, Adam."""
    n_needed = BATCH * STEPS * (n_rounds + 2)  # no epoch ends, so nothing is selected
    settings = TrainingSettings(
        network=NETWORK, loss_weights=(1.0,), n_epochs=1, batch_size=BATCH, n_shares=1
    )
    with _both(BATCH) as (_, peer, structures, arrays):
        repeated = list(structures) * (n_needed // BATCH)
        targets = np.tile(arrays["targets"], n_needed // BATCH)[:, None]
        pairs = neighbours(repeated, NETWORK.cutoff)
        fit = LabelledNeighbours(pairs, targets)
        steps = Training(fit, fit, settings).run()

        def train() -> None:
            for _ in range(STEPS):
                _finite(np.array(next(steps).loss))

        variants = [
            Variant("tabulated filters", train),
            Variant("torch_geometric", lambda: peer.ask(f"train {STEPS}")),
        ]
        return compare("SchNet training", BATCH * STEPS, variants, n_rounds)


def _finite(values: np.ndarray) -> None:
    if not np.isfinite(values).all():
        raise AssertionError("an output is not finite")


def main() -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    one_thread()
    ways: list[tuple[str, Callable[[], Comparison]]] = [
        ("molecules/s", lambda: run(500, 7)),
        ("training steps/s", lambda: run_training(7)),
    ]
    for what, way in ways:
        comparison = way()
        print(json.dumps(comparison.as_json()), file=sys.stderr)
        ours, other = comparison.timings
        scale = BATCH if what.startswith("training") else 1
        print(
            f"{comparison.benchmark}: {comparison.rate(ours) / scale:,.1f} {what}, torch_geometric"
            f" {comparison.rate(other) / scale:,.1f}: {1 + comparison.overhead(other) / 100:.1f}"
            f" times in time, {1 + comparison.cpu_overhead(other) / 100:.1f} in processor time"
        )


if __name__ == "__main__":
    main()
