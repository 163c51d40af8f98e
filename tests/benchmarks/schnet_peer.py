"""The SchNet of torch_geometric, in an environment of its own; see `schnet.py`, which starts this.

Commands come as lines: `ready`, `predict` and `train N`; each is answered by `done`.
"""

import sys

import numpy as np
import torch
from torch_geometric.nn import SchNet


class Given(torch.nn.Module):
    """Pairs and distances that were made before."""

    def forward(self, positions, molecule):
        return self.pairs, self.distances


def main() -> None:
    torch.set_num_threads(1)
    arrays = np.load(sys.argv[1])
    given = Given()
    network = SchNet(cutoff=10.0, interaction_graph=given)
    state = {
        name.removeprefix("weights."): torch.from_numpy(arrays[name])
        for name in arrays.files
        if name.startswith("weights.")
    }
    missing, unknown = network.load_state_dict(state, strict=False)
    assert missing == ["distance_expansion.offset"], missing
    assert not unknown, unknown
    batches = batches_of(arrays)
    optimizer = torch.optim.Adam(network.parameters())

    def evaluate(batch):
        numbers, positions, molecule, pairs, distances, _ = batch
        given.pairs, given.distances = pairs, distances
        return network(numbers, positions, molecule)[:, 0]

    for line in sys.stdin:
        command, *arguments = line.split()
        if command == "predict":
            with torch.no_grad():
                np.save(sys.argv[2], torch.cat([evaluate(batch) for batch in batches]).numpy())
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
