"""What the cards of two stages say of how they differ: which of them is better at what, and by how
much the later one may still move a value.

Cards hold mean absolute errors on test molecules that were predicted from SMILES alone, as in a
campaign, by number of heavy atoms where there are enough of them. Beyond the largest molecules that
a model was fitted to, its error grows by the factor per heavy atom that widens its intervals too.
"""

from collections.abc import Mapping
from typing import Any

from screener.models.card import Card
from screener.ranking.between_stages import LaterStage

_TESTS = ("test, from SMILES alone", "test")  # of metrics; tables of a user's have the other name
_HALF = 0.5


def later_stage(earlier: Card, later: Card) -> LaterStage:
    """What is known beforehand of a stage that judges the rows of an earlier one again.

    Args:
        earlier: card of the model that chooses the rows.
        later: card of the model that judges them.
    """
    halves = {}
    for name in later.quantities:
        width = _tested(later, name).get("mean_width90")
        if width is not None:
            halves[name] = _HALF * float(width)
    return LaterStage(halves, settled_sizes(earlier, later), {})


def settled_sizes(earlier: Card, later: Card) -> dict[str, tuple[int, ...]]:
    """Where the later of two models is not the better one.

    Args:
        earlier: card of the model of the earlier stage.
        later: card of the other.
    Returns:
        by predicted column, numbers of heavy atoms at which the error of the later one is not
        smaller; sizes that one of the cards says nothing of are not among them. Empty of one and
        the same model: what its structures are worth, such as more conformers, no card tells.
    """
    if earlier.model_sha256 == later.model_sha256:
        return {}
    settled = {}
    for name in later.quantities:
        if name not in earlier.quantities:
            continue
        sizes = []
        for n_heavy in range(1, min(earlier.domain.max_heavy, later.domain.max_heavy) + 1):
            errors = [error_at(card, name, n_heavy) for card in (earlier, later)]
            if None not in errors and errors[0] <= errors[1]:  # type: ignore[operator]
                sizes.append(n_heavy)
        if sizes:
            settled[name] = tuple(sizes)
    return settled


def error_at(card: Card, column: str, n_heavy: int) -> float | None:
    """The mean absolute error that a card states for molecules of one size.

    Args:
        card: of a model.
        column: that it predicts.
        n_heavy: heavy atoms.
    Returns:
        in the unit of the column; None where the card does not tell it.
    """
    by_size: Mapping[str, Any] = _tested(card, column).get("by_n_heavy") or {}
    errors = {int(size): float(of_size["mae"]) for size, of_size in by_size.items()}
    if n_heavy in errors:
        return errors[n_heavy]
    largest = card.domain.largest_fitted
    if largest in errors and n_heavy > largest:
        growth = card.quantities[column].calibration.growth
        return float(errors[largest] * growth ** (n_heavy - largest))
    return None


def _tested(card: Card, column: str) -> Mapping[str, Any]:
    """What the card says of a column on its test molecules; empty where it says nothing."""
    for test in _TESTS:
        metrics = card.metrics.get(test)
        if isinstance(metrics, Mapping) and isinstance(metrics.get(column), Mapping):
            of_column: Mapping[str, Any] = metrics[column]
            return of_column
    return {}
