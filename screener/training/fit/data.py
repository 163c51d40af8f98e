"""What a fit is given, and the same molecules as the fit works on them.

Environments are made and projected once per molecule; from then on a set of molecules is a few
arrays.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from screener.errors import ConfigError
from screener.models.baseline import baseline, composition, fit_baseline
from screener.models.fchl.metric import Metric
from screener.models.fchl.projection import Projected, Projection
from screener.models.fchl.representation import environments
from screener.models.predictor import Kind
from screener.models.quantities import FITTED, QUANTITIES, low_values
from screener.models.uncertainty.domain import heavy_atoms
from screener.records import Structure
from screener.training.fit.environment_pool import projected_chunks
from screener.training.fit.learn_metric import BATCH, N_BATCHES, learn_metric

FloatArray = NDArray[np.float64]

CHUNK = 512  # molecules whose features are in memory at once


class LimitSettings(BaseModel):
    """What every form of model is given: limits of its domain, a seed, a device of torch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_heavy: int = 14
    min_seen: int = 3  # training molecules that must have a coordination
    outside: float = 0.01  # share of calibration molecules that distances leave outside
    seed: int = 0
    device: str = "cpu"


class FitSettings(LimitSettings):
    """How a sparse model is fitted."""

    n_inducing: int = 6_000
    n_components: int = 128
    widths: tuple[float, ...] = (3.0, 4.0, 6.0)  # tried on a sample
    width_sample: int = 4_000  # training molecules of that trial, with half the environments
    ridges: tuple[float, ...] = tuple(10.0**power for power in range(-8, 1))
    n_leading: int = 1_000  # environments in the posterior variance
    n_difficulty: int = 10_000  # training molecules whose leave-one-out errors are learned
    learned_metric: bool = False  # scales of features: better energies, worse orbitals


@dataclass(frozen=True, slots=True, eq=False)
class FitData:
    """Labelled structures of one set.

    Args:
        structures: of one geometry level; with GFN2 results when a delta is fitted.
        high: float64 (n,) by name, the four of `quantities.FITTED`, in the units their names end
            with.
    """

    structures: Sequence[Structure]
    high: dict[str, FloatArray]

    def __post_init__(self) -> None:
        for name in FITTED:
            values = self.high.get(name)
            if values is None or values.shape != (len(self.structures),):
                raise ConfigError(f"{name} is needed for each of {len(self.structures)} structures")
            if not np.isfinite(values).all():
                raise ConfigError(f"{name} has values that are not finite")

    def targets(self, kind: Kind) -> FloatArray:
        """What is learned, float64 (n, n_quantities): high, or high minus low."""
        high = np.stack([self.high[name] for name in FITTED], axis=1)
        if kind == "direct":
            return high
        low = low_values(self.structures)
        return high - np.stack([low[quantity.low] for quantity in QUANTITIES], axis=1)

    def subset(self, rows: NDArray[np.int64]) -> "FitData":
        """The molecules at `rows`, in that order."""
        return FitData(
            [self.structures[int(row)] for row in rows],
            {name: values[rows] for name, values in self.high.items()},
        )


def require_molecules(train: FitData, selection: FitData, calibration: FitData) -> None:
    """Raises ConfigError where a set of a fit is empty."""
    for name, data in (("train", train), ("selection", selection), ("calibration", calibration)):
        if len(data.structures) == 0:
            raise ConfigError(f"the {name} set is empty")


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Molecules of one set, projected."""

    environments: Projected
    counts: FloatArray  # (n, n_elements), composition
    n_heavy: NDArray[np.int64]  # (n,)
    targets: FloatArray  # (n, n_quantities)

    def __len__(self) -> int:
        return self.environments.n_molecules

    def rows(self, rows: NDArray[np.int64]) -> "Prepared":
        """The molecules at `rows`, in ascending order whatever the order of `rows`."""
        keep = np.zeros(len(self), dtype=bool)
        keep[rows] = True
        atoms = keep[self.environments.molecule]
        place = np.cumsum(keep) - 1
        old = self.environments
        chosen = Projected(
            values=old.values[atoms],
            residual=old.residual[atoms],
            atomic_numbers=old.atomic_numbers[atoms],
            molecule=place[old.molecule[atoms]],
            n_molecules=int(keep.sum()),
        )
        return Prepared(chosen, self.counts[keep], self.n_heavy[keep], self.targets[keep])

    def chunks(self, first: int = 0) -> Iterator[tuple[slice, Projected]]:
        """Consecutive molecules from `first` on, `CHUNK` at a time, with where they are."""
        old = self.environments
        for start in range(first, len(self), CHUNK):
            stop = min(start + CHUNK, len(self))
            atoms = slice(*np.searchsorted(old.molecule, [start, stop]).tolist())
            yield (
                slice(start, stop),
                Projected(
                    values=old.values[atoms],
                    residual=old.residual[atoms],
                    atomic_numbers=old.atomic_numbers[atoms],
                    molecule=old.molecule[atoms] - start,
                    n_molecules=stop - start,
                ),
            )


def prepare(
    data: FitData, metric: Metric, projection: Projection, kind: Kind, workers: int = 1
) -> Prepared:
    """Environments of every molecule, projected chunk by chunk, and what is learned of it.

    Args:
        data: labelled structures.
        metric: that their environments are scaled with.
        projection: of the scaled environments.
        kind: of targets.
        workers: processes that make environments; the numbers do not depend on it.
    """
    sizes = [structure.n_atoms for structure in data.structures]
    n_atoms = sum(sizes)
    # filled in place: 100,000 molecules take 2 GB, which are never there twice
    joined = Projected(
        values=np.empty((n_atoms, projection.n_components)),
        residual=np.empty(n_atoms),
        atomic_numbers=np.empty(n_atoms, dtype=np.uint8),
        molecule=np.repeat(np.arange(len(sizes), dtype=np.int64), sizes),
        n_molecules=len(sizes),
    )
    start = 0
    for part in projected_chunks(data.structures, metric, projection, CHUNK, workers):
        atoms = slice(start, start + len(part.residual))
        joined.values[atoms], joined.residual[atoms] = part.values, part.residual
        joined.atomic_numbers[atoms] = part.atomic_numbers
        start = atoms.stop
    n_heavy = np.array([heavy_atoms(s) for s in data.structures], dtype=np.int64)
    return Prepared(joined, composition(data.structures), n_heavy, data.targets(kind))


def training_metric(data: FitData, kind: Kind, seed: int = 0) -> Metric:
    """A metric for all quantities, learned from a thousand of the training molecules."""
    generator = np.random.default_rng(seed)
    some = data.subset(generator.permutation(len(data.structures))[: BATCH * N_BATCHES])
    counts, targets = composition(some.structures), some.targets(kind)
    for column, quantity in enumerate(QUANTITIES):
        coefficients = fit_baseline(counts, targets[:, column], extensive=quantity.extensive)
        targets[:, column] -= baseline(counts, coefficients)
    extensive = [quantity.extensive for quantity in QUANTITIES]
    return learn_metric(environments(some.structures), targets, extensive)
