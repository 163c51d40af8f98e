"""What every evaluator of a model gives back, before calibration and domain."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class RawPredictions:
    """Of a list of n molecules; columns are those that the model is fitted to, in its order."""

    values: FloatArray  # (n, n_fitted), baseline included
    stds: FloatArray  # (n, n_fitted), not calibrated
    # to the nearest that the model knows: (n_atoms,) of all atoms where it reads structures, and
    # (n,) of all molecules where it reads drawings
    distances: FloatArray
    offsets: NDArray[np.int64]  # (n + 1,), where those of each molecule begin in `distances`
