"""Features of prepared molecules, streamed, and the normal equations they add up to.

Two sets of equations are kept, on sums over atoms (extensive quantities) and on means (intensive
ones and the stds). Of 100,000 molecules with 10,000 environments they are most of the work of a
fit, so that they are what is kept when it is interrupted.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from screener.models.fchl.sparse_kernel import SparseKernel
from screener.models.sparse_gp.posterior import NormalEquations, Whitening
from screener.training.fit.data import Prepared
from screener.training.fit.progress import Arrays, Progress, fingerprint

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Streams whitened features of prepared molecules."""

    kernel: SparseKernel
    whitening: Whitening

    def chunks(
        self, data: Prepared, first: int = 0
    ) -> Iterator[tuple[slice, FloatArray, FloatArray]]:
        """Where, whitened features of sums (n, m), numbers of atoms (n, 1), from `first` on."""
        for rows, environments in data.chunks(first):
            sums = self.kernel.sums(environments).sums.cpu().numpy()
            atoms = environments.atoms_per_molecule[:, None].astype(np.float64)
            yield rows, self.whitening.features(sums), atoms

    def all(self, data: Prepared) -> tuple[FloatArray, FloatArray]:
        """Features of sums and of means of a set small enough for memory, each (n, m)."""
        features = np.empty((len(data), self.kernel.n_inducing))
        means = np.empty_like(features)
        for rows, chunk, atoms in self.chunks(data):
            features[rows], means[rows] = chunk, chunk / atoms
        return features, means


class Equations:
    """Normal equations of extensive columns and of others, where there are any.

    Args:
        n_features: m.
        extensive: of each fitted column.
    """

    def __init__(self, n_features: int, extensive: tuple[bool, ...]) -> None:
        self.extensive = np.array(extensive)
        self.kinds = tuple(
            (kind, NormalEquations(n_features, extensive.count(kind)))
            for kind in (True, False)
            if kind in extensive
        )

    def arrays(self) -> Arrays:
        """Sums so far, by name."""
        return {
            f"{name}.{extensive}": array
            for extensive, equations in self.kinds
            for name, array in equations.arrays().items()
        }

    def restore(self, arrays: Arrays) -> None:
        """Go on from sums that `arrays` gave."""
        for extensive, equations in self.kinds:
            equations.restore(arrays[f"gram.{extensive}"], arrays[f"products.{extensive}"])

    def add(self, features: FloatArray, atoms: FloatArray, targets: FloatArray) -> None:
        """Add molecules.

        Args:
            features: of sums, (n, m).
            atoms: (n, 1), numbers of atoms.
            targets: (n, n_fitted).
        """
        for extensive, equations in self.kinds:
            scaled = features if extensive else features / atoms
            equations.add(scaled, targets[:, extensive == self.extensive])


def accumulate(
    features: Features,
    train: Prepared,
    rest: FloatArray,
    extensive: tuple[bool, ...],
    progress: Progress,
) -> Equations:
    """Normal equations of all training molecules, from where an earlier run left them.

    Args:
        features: of the inducing environments.
        train: n molecules.
        rest: (n, n_fitted), targets without baseline.
        extensive: of each fitted column.
        progress: keeps the sums between runs.
    Returns:
        the equations of all training molecules.
    """
    kernel, known = features.kernel, train.environments
    name = "equations-" + fingerprint(
        kernel.inducing.values,
        kernel.inducing.counts,
        np.array([kernel.width]),
        known.atomic_numbers,
        known.residual,
        rest,
    )
    equations, first = Equations(kernel.n_inducing, extensive), 0
    if kept := progress.load(name):
        equations.restore(kept)
        first = int(kept["done"][0])
    for rows, chunk, sizes in features.chunks(train, first):
        equations.add(chunk, sizes, rest[rows])
        if progress.due() or rows.stop == len(train):
            progress.save(name, {"done": np.array([rows.stop]), **equations.arrays()})
    return equations
