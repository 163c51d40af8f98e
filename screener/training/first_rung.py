"""The rung GFN2 → B3LYP as the rungs above it use it: predictions with and beyond its domain."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from screener.errors import ConfigError
from screener.models.bundle import load_bundle
from screener.models.domain import Domain
from screener.models.forms import Predicts, evaluator_of
from screener.models.predictor import Predictor
from screener.models.quantities import low_values
from screener.records import Structure

FIRST_RUNG = "qm9-gfn2opt-delta"


def first_rung(name: str = FIRST_RUNG) -> tuple[Predicts, Domain]:
    """A bundle's model, without the filter of its domain, and that domain.

    Raises:
        ConfigError: the bundle is a ladder itself.
    """
    predictor = load_bundle(name).predictor
    if not isinstance(predictor, Predictor):
        raise ConfigError(f"{name} cannot be a first rung: it leads to G4(MP2) already")
    return evaluator_of(predictor.model), predictor.domain


def climbed(
    first: Predicts, domain: Domain, structures: Sequence[Structure]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Where the rung leads from, where it leads to, and whether it may.

    Args:
        first, domain: of `first_rung`.
        structures: n, with GFN2 results.
    Returns:
        atomization energies (n,) of GFN2 and predicted ones of B3LYP, kcal/mol, and whether each
        structure is in the rung's domain.
    """
    raw = first.predict(structures)
    inside = [
        not domain.reasons(structure)
        and not domain.distance_reasons(structure, raw.distances[start:stop])
        for structure, start, stop in zip(
            structures, raw.offsets[:-1], raw.offsets[1:], strict=True
        )
    ]
    low = low_values(structures)["de_gfn2_kcal"]
    return low, low + raw.values[:, 0], np.array(inside)
