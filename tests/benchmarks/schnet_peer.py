"""The SchNet of another package, in an environment of its own; see `schnet.py`, which starts this.

Commands come as lines: `ready`, `predict` and `train N`; each is answered by `done`.
"""

import sys

import numpy as np
import torch

CUTOFF, N_FEATURES, N_INTERACTIONS, N_GAUSSIANS = 10.0, 128, 6, 50


class OfTorchGeometric:
    """Pairs and distances were made before."""

    def __init__(self):
        from torch_geometric.nn import SchNet

        self.network = SchNet(cutoff=CUTOFF, interaction_graph=lambda *_: self.pairs)

    def load(self, state):
        missing, unknown = self.network.load_state_dict(state, strict=False)
        assert missing == ["distance_expansion.offset"], missing
        assert not unknown, unknown

    def __call__(self, batch):
        numbers, positions, molecule, pairs, distances, _ = batch
        self.pairs = pairs, distances
        return self.network(numbers, positions, molecule)[:, 0]


class OfSchnetpack:
    """Pairs and the vectors between them were made before."""

    def __init__(self):
        import schnetpack
        from schnetpack.nn import CosineCutoff, GaussianRBF

        self.network = schnetpack.representation.SchNet(
            N_FEATURES, N_INTERACTIONS, GaussianRBF(N_GAUSSIANS, CUTOFF), CosineCutoff(CUTOFF)
        )
        self.network.outnet = schnetpack.nn.build_mlp(
            N_FEATURES, 1, n_layers=2, activation=schnetpack.nn.shifted_softplus
        )

    def load(self, state):
        missing, unknown = self.network.load_state_dict(state, strict=False)
        assert all(name.split(".")[0] in ("radial_basis", "cutoff_fn") for name in missing), missing
        assert not unknown, unknown

    def __call__(self, batch):
        numbers, positions, molecule, (i, j), _, targets = batch
        inputs = {"_atomic_numbers": numbers, "_Rij": positions[j] - positions[i]}
        features = self.network({**inputs, "_idx_i": i, "_idx_j": j})["scalar_representation"]
        atoms = self.network.outnet(features)[:, 0]
        return torch.zeros(len(targets)).index_add(0, molecule, atoms)


PACKAGES = {"torch_geometric": OfTorchGeometric, "schnetpack": OfSchnetpack}


def main() -> None:
    torch.set_num_threads(1)
    _, package, given, values = sys.argv
    arrays = np.load(given)
    evaluate = PACKAGES[package]()
    evaluate.load(
        {
            name.removeprefix("weights."): torch.from_numpy(arrays[name])
            for name in arrays.files
            if name.startswith("weights.")
        }
    )
    batches = batches_of(arrays)
    optimizer = torch.optim.Adam(evaluate.network.parameters())
    for line in sys.stdin:
        command, *arguments = line.split()
        if command == "predict":
            with torch.no_grad():
                np.save(values, torch.cat([evaluate(batch) for batch in batches]).numpy())
        elif command == "train":
            for _ in range(int(arguments[0])):
                optimizer.zero_grad()
                (evaluate(batches[0]) - batches[0][-1]).abs().mean().backward()
                optimizer.step()
        print("done", flush=True)


def batches_of(arrays):
    """Numbers, positions, molecules, pairs, distances and targets of each batch, as tensors."""
    batches = []
    offsets, pair_offsets, size = arrays["atom_offsets"], arrays["pair_offsets"], arrays["batch"]
    for start in range(0, len(offsets) - 1, int(size)):
        stop = min(start + int(size), len(offsets) - 1)
        atoms = slice(offsets[start], offsets[stop])
        pairs = slice(pair_offsets[start], pair_offsets[stop])
        sizes = np.diff(offsets[start : stop + 1])
        firsts = np.repeat(
            offsets[start:stop] - offsets[start], np.diff(pair_offsets[start : stop + 1])
        )
        i, j = arrays["idx_i"][pairs] + firsts, arrays["idx_j"][pairs] + firsts
        distances = arrays["distances"][pairs]
        both = np.stack([np.concatenate([i, j]), np.concatenate([j, i])])
        batch = (
            arrays["atomic_numbers"][atoms].astype(np.int64),
            arrays["positions"][atoms],
            np.repeat(np.arange(stop - start), sizes),
            both.astype(np.int64),
            np.concatenate([distances, distances]),
            arrays["targets"][start:stop].astype(np.float32),
        )
        batches.append(tuple(torch.from_numpy(np.ascontiguousarray(part)) for part in batch))
    return batches


if __name__ == "__main__":
    main()
