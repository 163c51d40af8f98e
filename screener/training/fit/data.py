"""What a fit is given, and the same molecules as the fit works on them.

Environments are made and projected once per molecule; from then on a set of molecules is a few
arrays.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from rdkit import Chem

from screener.errors import ConfigError
from screener.models.baseline import baseline, composition, fit_baseline
from screener.models.fchl.metric import Metric
from screener.models.fchl.projection import Projected, Projection
from screener.models.fchl.representation import environments
from screener.models.low_values import low_values
from screener.models.morgan_gp.fragments import HYDROGEN, drawn_composition
from screener.models.targets import Targets
from screener.models.uncertainty.domain import heavy_atoms
from screener.records import Structure
from screener.registry.elements import symbols_of
from screener.training.fit.environment_pool import projected_chunks
from screener.training.fit.learn_metric import BATCH, N_BATCHES, learn_metric

FloatArray = NDArray[np.float64]

CHUNK = 512  # molecules whose features are in memory at once


class LimitSettings(BaseModel):
    """What every form of model is given: limits of its domain, a seed, a device of torch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_heavy: int = 14
    min_seen: int = 3  # training molecules that must have a coordination
    by_bonds: bool = False  # or each of its bonds
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
    """Labelled molecules of one set: structures, or drawings for models that read these.

    Args:
        structures: of one geometry level, with values of the lower level when a delta is fitted;
            empty where there are drawings.
        high: float64 (n,) by column, in the units their names end with.
        smiles: canonical; empty where there are structures.
    Raises:
        ConfigError: labels are not one per molecule, or not finite.
    """

    structures: Sequence[Structure]
    high: dict[str, FloatArray]
    smiles: Sequence[str] = ()

    def __post_init__(self) -> None:
        if len(self.structures) and len(self.smiles):
            raise ConfigError("a set has structures or drawings, not both")
        for name, values in self.high.items():
            if values.shape != (len(self),):
                raise ConfigError(f"{name} is needed for each of {len(self)} molecules")
            if not np.isfinite(values).all():
                raise ConfigError(f"{name} has values that are not finite")

    def __len__(self) -> int:
        return len(self.structures) or len(self.smiles)

    @property
    def molecules(self) -> Sequence[Structure] | Sequence[str]:
        """What a predictor is given."""
        return self.structures or self.smiles

    @property
    def n_heavy(self) -> NDArray[np.int64]:
        """Heavy atoms (n,)."""
        if len(self.structures):
            return np.array([heavy_atoms(each) for each in self.structures], dtype=np.int64)
        sizes = [Chem.MolFromSmiles(each).GetNumHeavyAtoms() for each in self.smiles]
        return np.array(sizes, dtype=np.int64)

    @property
    def composition(self) -> FloatArray:
        """Atoms of each element that occurs, hydrogens included, float64 (n, n_elements)."""
        if len(self.structures):
            return composition(self.structures, _elements(self))
        molecules = [Chem.MolFromSmiles(each) for each in self.smiles]
        heavy = {atom.GetAtomicNum() for each in molecules for atom in each.GetAtoms()}
        return drawn_composition(molecules, tuple(sorted({HYDROGEN, *heavy})))

    def targets(self, targets: Targets) -> FloatArray:
        """What is learned, float64 (n, n_fitted): labels, or labels minus low values.

        Raises:
            ConfigError: a fitted column has no labels, or a structure lacks a low value.
        """
        if missing := [name for name in targets.names if name not in self.high]:
            raise ConfigError(f"there are no labels of {', '.join(missing)}")
        wanted = [each.low for each in targets.fitted if each.low is not None]
        low = low_values(self.structures, wanted) if wanted else {}
        zeros = np.zeros(len(self))
        return np.stack(
            [
                self.high[each.name] - (zeros if each.low is None else low[each.low])
                for each in targets.fitted
            ],
            axis=1,
        )

    def subset(self, rows: NDArray[np.int64]) -> "FitData":
        """The molecules at `rows`, in that order."""
        return FitData(
            [self.structures[int(row)] for row in rows] if len(self.structures) else (),
            {name: values[rows] for name, values in self.high.items()},
            [self.smiles[int(row)] for row in rows] if len(self.smiles) else (),
        )


@dataclass(frozen=True, slots=True, eq=False)
class FitSets:
    """What a fit is given.

    Args:
        fit: molecules that are learned.
        selection: disjoint from these; settings and weights are chosen on them.
        calibration: disjoint from both, and seen by neither.
        targets: what is learned.
        geometry_level: of all structures.
    Raises:
        ConfigError: a set is empty.
    """

    fit: FitData
    selection: FitData
    calibration: FitData
    targets: Targets
    geometry_level: str

    def __post_init__(self) -> None:
        for name in ("fit", "selection", "calibration"):
            if len(getattr(self, name)) == 0:
                raise ConfigError(f"the {name} set is empty")
        for name in ("selection", "calibration"):
            if unseen := set(_elements(getattr(self, name))) - set(self.elements):
                raise ConfigError(
                    f"the {name} set has elements that are in no molecule of the fit set: "
                    f"{', '.join(symbols_of(unseen))}"
                )

    @property
    def elements(self) -> tuple[int, ...]:
        """Atomic numbers in the structures that are learned, ascending."""
        return _elements(self.fit)


def _elements(data: FitData) -> tuple[int, ...]:
    return tuple(sorted({int(n) for each in data.structures for n in each.atomic_numbers}))


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Molecules of one set, projected."""

    environments: Projected
    counts: FloatArray  # (n, n_elements), composition
    n_heavy: NDArray[np.int64]  # (n,)
    targets: FloatArray  # (n, n_fitted)

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
            elements=old.elements,
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
                    elements=old.elements,
                    values=old.values[atoms],
                    residual=old.residual[atoms],
                    atomic_numbers=old.atomic_numbers[atoms],
                    molecule=old.molecule[atoms] - start,
                    n_molecules=stop - start,
                ),
            )


def prepare(
    data: FitData, metric: Metric, projection: Projection, targets: Targets, workers: int = 1
) -> Prepared:
    """Environments of every molecule, projected chunk by chunk, and what is learned of it.

    Args:
        data: labelled structures.
        metric: that their environments are scaled with.
        projection: of the scaled environments.
        targets: what is learned.
        workers: processes that make environments; the numbers do not depend on it.
    Returns:
        arrays of the whole set.
    """
    sizes = [structure.n_atoms for structure in data.structures]
    n_atoms = sum(sizes)
    # filled in place: 100,000 molecules take 2 GB, which are never there twice
    joined = Projected(
        elements=projection.elements,
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
    counts = composition(data.structures, projection.elements)
    return Prepared(joined, counts, data.n_heavy, data.targets(targets))


def training_metric(
    data: FitData, targets: Targets, elements: tuple[int, ...], seed: int = 0
) -> Metric:
    """A metric for all targets, learned from a thousand of the training molecules.

    Args:
        data: labelled structures.
        targets: what is learned.
        elements: atomic numbers of the representation.
        seed: of the choice of molecules.
    Returns:
        the metric.
    """
    generator = np.random.default_rng(seed)
    some = data.subset(generator.permutation(len(data))[: BATCH * N_BATCHES])
    counts, learned = composition(some.structures, elements), some.targets(targets)
    for place, extensive in enumerate(targets.extensive):
        coefficients = fit_baseline(counts, learned[:, place], extensive=extensive)
        learned[:, place] -= baseline(counts, coefficients)
    return learn_metric(environments(some.structures, elements), learned, targets.extensive)
