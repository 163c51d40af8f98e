"""SchNet: ours against those of torch_geometric and schnetpack, with the same weights, one thread.

    python -m venv peers/pyg
    peers/pyg/bin/pip install -c constraints.txt torch torch_geometric
    python -m venv peers/schnetpack  # its sympy is older than our torch accepts
    peers/schnetpack/bin/pip install schnetpack
    export SCREENER_PYG_PYTHON=peers/pyg/bin/python
    export SCREENER_SCHNETPACK_PYTHON=peers/schnetpack/bin/python
    python tests/benchmarks/schnet.py

prints the ratios, to either or both; `bench.py` has the same as `schnet` and `schnet-training`.
Ours begins with structures and finds neighbours itself. The others are given pairs and distances
for nothing. They run in processes of their own, all take turns, and the network is one that has
been trained a little, so that filters and outputs are of usual sizes. The largest difference is
that of energies without their baseline.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from alternating import Comparison, Variant, compare
from peer import Peer
from qm9_sets import first

from screener.errors import ConfigError
from screener.execution.threads import one_thread
from screener.models.schnet.evaluator import NetworkOutputs
from screener.models.schnet.neighbours import neighbours
from screener.models.schnet.network import SchNet, SchNetSettings
from screener.training.fit.schnet_scale import fit_scale, fit_schnet
from screener.training.fit.schnet_training import LabelledNeighbours, Training, TrainingSettings

NETWORK = SchNetSettings(extensive=(True,))  # 128 features, 6 interactions, 10 angstrom
BATCH = 100  # molecules of a training step, and of the other's evaluations
STEPS = 4  # training steps of a round
TRAINED = 1_000  # molecules that the network has seen before it is compared
LARGEST_DIFFERENCE = 1e-3  # of predictions, kcal/mol


@dataclass(frozen=True)
class Package:
    """Another implementation.

    Args:
        python: variable that names the interpreter of an environment that has it.
        interaction: its names of an interaction's layers, by ours; some it holds under two names.
        others: its names of all other weights, by ours.
    """

    python: str
    interaction: dict[str, tuple[str, ...]]
    others: dict[str, str]


PACKAGES = {
    "torch_geometric": Package(
        "SCREENER_PYG_PYTHON",
        {
            "filter1": ("mlp.0", "conv.nn.0"),
            "filter2": ("mlp.2", "conv.nn.2"),
            "into": ("conv.lin1",),
            "out1": ("conv.lin2",),
            "out2": ("lin",),
        },
        {
            "embedding.weight": "embedding.weight",
            "head.weight": "lin1.weight",
            "head.bias": "lin1.bias",
            "value": "lin2.weight",
            "value_bias": "lin2.bias",
        },
    ),
    "schnetpack": Package(
        "SCREENER_SCHNETPACK_PYTHON",
        {
            "filter1": ("filter_network.0",),
            "filter2": ("filter_network.1",),
            "into": ("in2f",),
            "out1": ("f2out.0",),
            "out2": ("f2out.1",),
        },
        {
            "embedding.weight": "embedding.weight",
            "head.weight": "outnet.0.weight",
            "head.bias": "outnet.0.bias",
            "value": "outnet.1.weight",
            "value_bias": "outnet.1.bias",
        },
    ),
}


class SchNetPeer(Peer):
    """Another package's network, which has our weights."""

    def __init__(
        self, name: str, network: SchNet, arrays: dict[str, np.ndarray], folder: Path
    ) -> None:
        package = PACKAGES[name]
        self._values = folder / f"{name}-values.npy"
        given = folder / f"{name}.npz"
        np.savez(given, **arrays, **_state(network, package))
        arguments = (name, str(given), str(self._values))
        super().__init__(name, package.python, "schnet_peer.py", arguments)

    def values(self) -> np.ndarray:
        """What it predicted last, (n_molecules,)."""
        return np.load(self._values)


def _state(network: SchNet, package: Package) -> dict[str, np.ndarray]:
    """Weights by the names of the other package."""
    ours = {name: value.numpy() for name, value in network.state_dict().items()}
    theirs = {other: ours[name] for name, other in package.others.items()}
    for name, value in ours.items():
        if name.startswith("interactions."):
            _, number, layer, kind = name.split(".")
            for other in package.interaction[layer]:
                theirs[f"interactions.{number}.{other}.{kind}"] = value
    return {f"weights.{name}": value for name, value in theirs.items()}


@contextmanager
def _side_by_side(n_molecules: int):
    """Ours, the others, the molecules and their standardised energies."""
    names = [name for name, package in PACKAGES.items() if os.environ.get(package.python)]
    if not names:
        wanted = " or ".join(package.python for package in PACKAGES.values())
        raise ConfigError(f"set {wanted} to an interpreter that has the other SchNet")
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
        peers = [SchNetPeer(name, fitted.network, arrays, Path(folder)) for name in names]
        for peer in peers:
            stack.callback(peer.close)
        yield fitted, peers, structures, arrays


def run(n_molecules: int, n_rounds: int) -> Comparison:
    """Predictions of the same molecules by all."""
    with _side_by_side(n_molecules) as (fitted, peers, structures, _):
        nothing = np.zeros((0, NETWORK.n_features), dtype=np.float32)
        ours = NetworkOutputs(fitted.network, nothing)

        def predict() -> np.ndarray:
            return np.concatenate([part.values for part in ours(structures)])[:, 0]

        factor = fitted.scale.factors[0]
        for peer in peers:
            peer.ask("predict")
            worst, spread = np.abs(predict() - peer.values()).max() * factor, peer.values().std()
            if not worst < LARGEST_DIFFERENCE:
                raise AssertionError(f"{peer.name}: predictions differ by {worst:.1e} kcal/mol")
            print(
                f"energies of {spread * factor:.0f} kcal/mol (std) differ from those of "
                f"{peer.name} by {worst:.1e} kcal/mol at most"
            )
        variants = [
            Variant("tabulated filters", lambda: _finite(predict())),
            *(Variant(peer.name, partial(peer.ask, "predict")) for peer in peers),
        ]
        return compare("SchNet predictions", len(structures), variants, n_rounds)


def run_training(n_rounds: int) -> Comparison:
    """Training steps of one batch: forwards, backwards, Adam."""
    n_needed = BATCH * STEPS * (n_rounds + 2)  # no epoch ends, so nothing is selected
    settings = TrainingSettings(
        network=NETWORK, loss_weights=(1.0,), n_epochs=1, batch_size=BATCH, n_shares=1
    )
    with _side_by_side(BATCH) as (_, peers, structures, arrays):
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
            *(Variant(peer.name, partial(peer.ask, f"train {STEPS}")) for peer in peers),
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
        ours, *others = comparison.timings
        scale = BATCH if what.startswith("training") else 1
        print(f"{comparison.benchmark}: {comparison.rate(ours) / scale:,.1f} {what}")
        for other in others:
            print(
                f"    {other.name} {comparison.rate(other) / scale:,.1f}: "
                f"{1 + comparison.overhead(other) / 100:.1f} times in time, "
                f"{1 + comparison.cpu_overhead(other) / 100:.1f} in processor time"
            )


if __name__ == "__main__":
    main()
