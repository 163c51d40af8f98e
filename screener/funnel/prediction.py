"""What a surrogate says of molecules, and what scores are made of it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Values in the units that the surrogate was fitted in."""

    mean: FloatArray  # (n, n_quantities)
    members: FloatArray  # (n_members, n, n_quantities)
    success: FloatArray | None = None  # (n,), how likely there are values at all; None: certain


@dataclass(frozen=True, slots=True)
class Scorer:
    """Makes one number of a molecule's quantities.

    Args:
        score: quantities (n, n_quantities) to scores (n,), larger is better; NaN where there is
            none.
        allows: quantities to bool (n,), whether they keep every limit; None where nothing limits.
    """

    score: Callable[[FloatArray], FloatArray]
    allows: Callable[[FloatArray], NDArray[np.bool_]] | None = None
