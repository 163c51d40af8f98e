"""Models on devices whose memory runs out, and on a GPU where there is one."""

import numpy as np
import pytest
import torch

from screener.errors import ScreenerError
from screener.models.adaptive_batch import Portion, largest_that_fits
from screener.models.bundle import load_bundle
from screener.models.schnet.evaluator import NetworkOutputs
from screener.models.schnet.neighbours import ROWS
from screener.models.schnet.network import SchNet, SchNetSettings
from screener.models.shipped import shipped_bundles
from screener.models.sparse_gp.model import Evaluator

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA sees no GPU here")


def test_the_size_is_halved_until_it_fits_and_then_kept():
    asked = []

    def evaluate(size):
        asked.append(size)
        if size > 20:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return size

    portion = Portion(64, 8)
    assert [portion(evaluate), portion(evaluate)] == [16, 16]
    assert asked == [64, 32, 16, 16]
    with pytest.raises(ValueError, match="not about memory"):
        portion(fails)


def fails(size):
    raise ValueError("not about memory")


def test_a_device_too_small_for_the_least_is_an_error_that_says_what_to_do():
    def never(size):
        raise torch.OutOfMemoryError(f"tried to allocate {size} GiB")

    with pytest.raises(ScreenerError, match=r"tried to allocate 8 GiB.*nvidia-smi.*CPU workers"):
        Portion(64, 8)(never)


def test_a_network_goes_on_with_smaller_batches(solvents, monkeypatch):
    settings = SchNetSettings(extensive=(True, False), n_features=32, n_interactions=2)
    projections = np.ones((3, 32), dtype=np.float32)
    (undisturbed,) = NetworkOutputs(SchNet(settings), projections)(solvents)
    network = SchNet(settings)
    limited_to(monkeypatch, network, "features", lambda batch: len(batch.atomic_numbers), 2 * ROWS)
    outputs = NetworkOutputs(network, projections)
    outputs._rows = Portion(8 * ROWS, ROWS)
    (found,) = outputs(solvents)
    assert outputs._rows.size == 2 * ROWS
    np.testing.assert_allclose(found.values, undisturbed.values, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.projected, undisturbed.projected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.features, undisturbed.features, rtol=1e-4, atol=1e-5)
    assert len(found.features) == sum(structure.n_atoms for structure in solvents)


def test_sums_of_kernels_are_the_same_bytes_with_fewer_molecules_at_once(
    fitted, solvents, monkeypatch
):
    model = fitted["direct"].predictor.model
    undisturbed = Evaluator(model).predict(solvents)
    evaluator = Evaluator(model)
    limited_to(monkeypatch, evaluator.kernel, "sums", lambda projected: projected.n_molecules, 40)
    found = evaluator.predict(solvents)
    assert evaluator._portion.size == 32
    for name in ("values", "stds", "distances", "offsets"):
        assert getattr(found, name).tobytes() == getattr(undisturbed, name).tobytes()


def limited_to(monkeypatch, target, name, size_of, largest):
    """Have a method raise what a full GPU raises when it is given too much."""
    method = getattr(target, name)

    def limited(batch, *arguments):
        if size_of(batch) > largest:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return method(batch, *arguments)

    monkeypatch.setattr(target, name, limited)


def test_a_cpu_begins_with_the_least():
    assert largest_that_fits(1 << 20, ROWS, 1, "cpu") == ROWS


@needs_gpu
def test_a_gpu_is_filled_by_half_and_its_errors_are_understood():
    free, total = torch.cuda.mem_get_info()
    size = largest_that_fits(1 << 60, 1, 1 << 20, "cuda")
    assert size << 20 <= free // 2 < size << 21

    def fill(n):
        return torch.empty((n, total // 64), dtype=torch.uint8, device="cuda").shape[0]

    assert Portion(256, 1)(fill) <= 64


@needs_gpu
@pytest.mark.parametrize("name", shipped_bundles())
def test_a_gpu_predicts_what_a_cpu_does(name, solvents):
    on_cpu, on_gpu = load_bundle(name), load_bundle(name, "cuda")
    if on_cpu.card.low is not None:
        pytest.skip("the golden predictions, checked at loading, are compared alone")
    here, there = on_cpu.predict(solvents), on_gpu.predict(solvents)
    np.testing.assert_allclose(
        there["ae0_b3lyp_kcal"].to_numpy(), here["ae0_b3lyp_kcal"].to_numpy(), rtol=0, atol=1e-4
    )
    assert on_gpu.predict(solvents).equals(there)
