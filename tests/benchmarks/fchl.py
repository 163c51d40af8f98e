"""FCHL: our exact kernel and our sparse model against the local kernel of qmllib.

    screener train docs/accuracy/b3lyp-direct-fchl-10000.toml
    python tests/benchmarks/bench.py --only fchl-kernel fchl

Everything on one thread. qmllib is given its representations padded and in the order of memory that
its Fortran wants, so that only kernels are timed.
"""

import time
from collections.abc import Callable, Sequence

import numpy as np
import qmllib.kernels
import qmllib.representations
import torch
from alternating import Comparison, Timing, Variant, compare
from qm9_sets import first

from screener.models.bundle import load_bundle
from screener.models.fchl.local_kernel import LocalKernel, symmetric_kernel
from screener.models.fchl.representation import environments
from screener.models.sparse_gp.model import Evaluator
from screener.records import Structure

ELEMENTS = (1, 6, 7, 8, 9)
WIDTH = 4.0
LARGEST = 29  # atoms of a molecule of QM9
SPARSE = "build/b3lyp-direct-fchl-10000"  # of the command above
TRAINING = 10_000  # molecules of the exact models that the sparse one is compared with
# molecules each way predicts in a round; seconds are scaled to those of the first
N_SPARSE, N_EXACT, N_QMLLIB = 512, 32, 2


class OfQmllib:
    """Molecules as the kernels of qmllib take them."""

    def __init__(self, structures: Sequence[Structure]) -> None:
        self.charges = [s.atomic_numbers.astype(int).tolist() for s in structures]
        self.values = np.zeros((len(structures), LARGEST, 720), order="F")
        for row, structure in enumerate(structures):
            self.values[row] = qmllib.representations.generate_fchl19(
                structure.atomic_numbers.astype(np.int32),
                structure.positions.astype(np.float64),
                elements=list(ELEMENTS),
                pad=LARGEST,
            )

    def kernel(self, other: "OfQmllib") -> np.ndarray:
        """Local kernels (n_other, n) with other molecules."""
        found: np.ndarray = qmllib.kernels.get_local_kernel(
            self.values, other.values, self.charges, other.charges, WIDTH
        )
        return found


def run_kernel(n_molecules: int, n_rounds: int) -> Comparison:
    """The kernel of training molecules with themselves, every element of it by both."""
    structures = first("fit", n_molecules).structures
    known, padded = environments(structures, ELEMENTS), OfQmllib(structures)
    whole = LocalKernel(known, WIDTH)
    worst = np.abs(symmetric_kernel(known, WIDTH) / padded.kernel(padded) - 1.0).max()
    if worst > 1e-8:
        raise AssertionError(f"the kernels differ by {worst:.1e} of their value")
    variants = [
        Variant("exact kernel, all pairs", lambda: _done(whole.rows(known).values)),
        Variant("exact kernel, half by symmetry", lambda: _done(symmetric_kernel(known, WIDTH))),
        Variant("qmllib get_local_kernel", lambda: _done(padded.kernel(padded))),
    ]
    title = f"FCHL19 kernel ({worst:.0e})"  # the largest relative difference found
    return compare(title, n_molecules, variants, n_rounds)


def run_prediction(n_molecules: int, n_rounds: int, n_training: int = TRAINING) -> Comparison:
    """The shipped sparse model against exact models of `n_training` molecules."""
    evaluator = Evaluator(load_bundle(SPARSE).predictor.model)
    structures = first("test", max(n_molecules, N_EXACT)).structures
    training = first("fit", n_training).structures
    exact, padded = LocalKernel(environments(training, ELEMENTS), WIDTH), OfQmllib(training)
    weights = np.random.default_rng(0).normal(size=(n_training, 1))
    column = torch.from_numpy(weights)
    few = OfQmllib(structures[:N_QMLLIB])
    many, some = structures[:n_molecules], structures[:N_EXACT]
    projected = evaluator.projected(many)
    n_sparse = len(evaluator.model.inducing.values)
    ways: list[tuple[str, int, Callable[[], object]]] = [
        (f"sparse, {n_sparse:,}", len(many), lambda: evaluator.predict(many).values),
        ("without representation", len(many), lambda: evaluator.predict_projected(projected)[0]),
        (
            f"exact, {n_training:,}",
            len(some),
            lambda: exact.rows(environments(some, ELEMENTS)).values @ column,
        ),
        (f"qmllib, {n_training:,}", N_QMLLIB, lambda: padded.kernel(few) @ weights),
    ]
    timings = [Timing(name) for name, _, _ in ways]
    for round_ in range(n_rounds + 1):  # the first is unheard
        for (_, n, way), timing in zip(ways, timings, strict=True):
            started, cpu_started = time.perf_counter(), time.process_time()
            way()
            if round_:
                scale = len(many) / n
                timing.seconds.append((time.perf_counter() - started) * scale)
                timing.cpu_seconds.append((time.process_time() - cpu_started) * scale)
    return Comparison("FCHL19 predictions", len(many), timings)


def _done(kernel: np.ndarray | torch.Tensor) -> None:
    if not float(kernel[0, 0]) > 0.0:
        raise AssertionError("a molecule's kernel with itself is not positive")
