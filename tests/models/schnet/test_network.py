import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from screener.dense import affine, packed
from screener.models.schnet.filter_sum import filter_sum, filter_sum_by_gathering
from screener.models.schnet.neighbours import ROWS, batch, neighbours
from screener.models.schnet.network import SchNet, SchNetSettings
from screener.records import Structure

SETTINGS = SchNetSettings(extensive=(True, False), n_members=2, n_head=16, cutoff=5.0)
KCAL = 10.0  # a usual scale of outputs; makes the tolerances those of energies in kcal/mol


@pytest.fixture(scope="module")
def network() -> SchNet:
    network = SchNet(SETTINGS, torch.Generator().manual_seed(3))
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():  # biases and weights of means that have moved, as in training
        for parameter in network.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
        network.value *= 0.3
    return network.requires_grad_(False)


def outputs(network: SchNet, structures: list[Structure]) -> np.ndarray:
    """Of every molecule, in blocks as a prediction makes them."""
    pairs = neighbours(structures, network.settings.cutoff)
    tables = network.tables()
    blocks = packed(np.diff(pairs.atom_offsets), ROWS)
    parts = [network(batch(pairs, np.arange(len(pairs))[block]), tables) for block in blocks]
    return torch.cat(parts).numpy()


def moved(structure: Structure, matrix: np.ndarray, shift: np.ndarray) -> Structure:
    positions = structure.positions.astype(np.float64) @ matrix.T + shift
    return Structure(structure.atomic_numbers, positions.astype(np.float32))


def combined(one: Structure, other: Structure) -> Structure:
    far = other.positions + np.float32(100.0)
    return Structure(
        np.concatenate([one.atomic_numbers, other.atomic_numbers]),
        np.concatenate([one.positions, far]),
    )


def test_pose_and_order_change_nothing(network, solvents):
    generator = np.random.default_rng(5)
    turns = Rotation.random(len(solvents), random_state=6).as_matrix()
    posed = []
    for structure, turn in zip(solvents, turns, strict=True):
        order = generator.permutation(structure.n_atoms)
        other = moved(structure, turn, generator.normal(size=3))
        posed.append(Structure(other.atomic_numbers[order], other.positions[order]))
    found, expected = outputs(network, posed), outputs(network, solvents)
    assert expected.std(axis=0).min() > 0.03
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_energies_are_sums_and_the_others_are_means(network, solvents):
    one, other = solvents[0], solvents[7]
    apart = outputs(network, [one, other])
    together = outputs(network, [combined(one, other), combined(one, one)])
    np.testing.assert_allclose(together[0, 0], apart[:, 0].sum(axis=0), atol=2e-5)
    np.testing.assert_allclose(together[1, 0], 2 * apart[0, 0], atol=2e-5)
    np.testing.assert_allclose(together[1, 1], apart[0, 1], atol=2e-6)
    low, high = apart[:, 1].min(axis=0), apart[:, 1].max(axis=0)
    assert ((low < together[0, 1]) & (together[0, 1] < high)).all()


def plain(network: SchNet, structure: Structure) -> torch.Tensor:
    """The published equations in float64, all pairs of one molecule, no table, no cutting."""
    settings = network.settings
    state = {name: value.double() for name, value in network.state_dict().items()}
    positions = torch.from_numpy(structure.positions.astype(np.float64))
    n = structure.n_atoms
    idx_i, idx_j = torch.where(~torch.eye(n, dtype=torch.bool))
    distances = (positions[idx_i] - positions[idx_j]).norm(dim=1)
    near = distances < settings.cutoff
    idx_i, idx_j, distances = idx_i[near], idx_j[near], distances[near]
    centres = torch.linspace(0, settings.cutoff, settings.n_gaussians, dtype=torch.float64)
    gaussians = torch.exp(-0.5 * ((distances[:, None] - centres) / centres[1]) ** 2)
    weight = 0.5 * (torch.cos(torch.pi * distances / settings.cutoff) + 1)

    def layer(name: str, x: torch.Tensor) -> torch.Tensor:
        return x @ state[f"{name}.weight"].T + state.get(f"{name}.bias", torch.zeros(()))

    def activated(x: torch.Tensor) -> torch.Tensor:
        return torch.log(0.5 * torch.exp(x) + 0.5)

    x = state["embedding.weight"][torch.from_numpy(structure.atomic_numbers.astype(np.int64))]
    for k in range(settings.n_interactions):
        name = f"interactions.{k}"
        filters = layer(f"{name}.filter2", activated(layer(f"{name}.filter1", gaussians)))
        messages = (filters * weight[:, None]) * layer(f"{name}.into", x)[idx_j]
        summed = torch.zeros_like(x).index_add(0, idx_i, messages)
        x = x + layer(f"{name}.out2", activated(layer(f"{name}.out1", summed)))
    hidden = activated(layer("head", x)).reshape(n, -1, settings.n_head)
    value = torch.einsum("ahk,hk->ah", hidden, state["value"]) + state["value_bias"]
    score = torch.softmax(torch.einsum("ahk,hk->ah", hidden, state["score"]), dim=0)
    n_members = settings.n_members
    sums, means = value[:, :n_members].sum(0), (score * value)[:, n_members:].sum(0)
    return torch.stack([sums, means])


def test_tables_give_the_exact_network(network, solvents):
    some = solvents[::5]
    expected = np.stack([plain(network, structure).numpy() for structure in some])
    np.testing.assert_allclose(outputs(network, some) * KCAL, expected * KCAL, atol=1e-3)


def test_a_molecule_has_the_same_bytes_in_any_company(network, solvents):
    expected = outputs(network, solvents)
    order = np.random.default_rng(1).permutation(len(solvents))
    shuffled = outputs(network, [solvents[row] for row in order])
    np.testing.assert_array_equal(shuffled, expected[order])
    np.testing.assert_array_equal(outputs(network, [solvents[-1]])[0], expected[-1])


def test_blocks_hold_no_more_atoms_than_a_product():
    sizes = np.array([ROWS - 10, 10, 1, ROWS + 5, ROWS - 1, 1, 1])
    blocks = packed(sizes, ROWS)
    assert [sizes[block].sum() for block in blocks] == [ROWS, 1, ROWS + 5, ROWS, 1]
    assert [row for block in blocks for row in range(block.start, block.stop)] == list(range(7))
    assert packed(np.array([], dtype=np.int64), ROWS) == []


def test_pairs_are_those_below_the_cutoff(solvents):
    pairs = neighbours(solvents, 3.0)
    for number, structure in enumerate(solvents):
        distances = np.linalg.norm(
            structure.positions[:, None].astype(float) - structure.positions[None], axis=2
        )
        idx_i, idx_j = np.where(np.triu(distances < 3.0, 1))
        own = slice(*pairs.pair_offsets[number : number + 2])
        np.testing.assert_array_equal(pairs.idx_i[own], idx_i)
        np.testing.assert_array_equal(pairs.idx_j[own], idx_j)
        np.testing.assert_allclose(pairs.distances[own], distances[idx_i, idx_j], rtol=1e-6)


def test_a_lone_atom_and_no_molecule_at_all(network):
    helium = Structure(np.array([8], np.uint8), np.zeros((1, 3), np.float32))
    assert np.isfinite(outputs(network, [helium])).all()
    assert len(neighbours([], 5.0)) == 0


def test_gradients_of_the_fused_sum_are_those_of_autograd(solvents):
    pairs = neighbours(solvents, 5.0)
    molecules = batch(pairs, np.arange(12))
    spacing = 0.02
    points = torch.arange(-1, 253, dtype=torch.float64) * spacing
    phases = torch.linspace(0.3, 4.0, 32, dtype=torch.float64)
    table = torch.sin(points[:, None] * phases)
    generator = torch.Generator().manual_seed(2)
    shape = (len(molecules.atomic_numbers), 32)
    x = torch.randn(shape, generator=generator, dtype=torch.float64)
    incoming = torch.randn(shape, generator=generator, dtype=torch.float64)
    found = []
    for function, dtype in ((filter_sum, torch.float32), (filter_sum_by_gathering, torch.float64)):
        arguments = [value.to(dtype).requires_grad_() for value in (x, table)]
        out = function(*arguments, spacing, molecules)
        gradients = torch.autograd.grad(out, arguments, incoming.to(dtype))
        found.append([value.detach().double() for value in (out, *gradients)])
    for fused, reference in zip(*found, strict=True):
        assert reference.abs().max() > 1.0
        torch.testing.assert_close(fused, reference, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("bias", [None, torch.linspace(-1, 1, 48)])
def test_layers_and_their_gradients_are_those_of_torch(bias):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((65, 32), generator=generator, requires_grad=True)
    weight = torch.randn((48, 32), generator=generator, requires_grad=True)
    arguments = [x, weight] if bias is None else [x, weight, bias.clone().requires_grad_()]
    incoming = torch.randn((65, 48), generator=generator)
    found = []
    for function in (affine, torch.nn.functional.linear):
        out = function(x, weight, None if bias is None else arguments[2])
        found.append([out, *torch.autograd.grad(out, arguments, incoming)])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
