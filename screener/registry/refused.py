"""How `domain_reasons` says that the prediction of one column is no answer.

A molecule may be inside the domain of a model and the prediction of a single column of it still be
worth nothing. The column is null then, and one sentence that begins with its name says why.
"""

from collections.abc import Iterable

from screener.registry.quantities import Column

_UNCERTAIN = " is too uncertain"
_IMPOSSIBLE = " is impossible"
PATTERN = f"{_UNCERTAIN}|{_IMPOSSIBLE}"  # regular expression that finds texts with such sentences


def too_uncertain(column: Column, width: float, limit: float) -> str:
    """The sentence on an interval that tells nothing.

    Args:
        column: what is predicted.
        width: of the 90 % interval, in the unit of the column.
        limit: of widths, in the same unit.
    """
    digits = column.digits
    return (
        f"{column.name}{_UNCERTAIN} (its 90 % interval is {width:.{digits}f} {column.unit} wide, "
        f"limit {limit:.{digits}f})"
    )


def impossible(column: Column, low: float, high: float) -> str:
    """The sentence on an interval in which nothing is possible.

    Args:
        column: what is predicted.
        low, high: ends of the 90 % interval, in the unit of the column.
    """
    lower, upper, digits = column.quantity.lower, column.quantity.upper, column.digits
    bound = f"never below {lower:g}" if lower is not None and high <= lower else (
        f"never above {upper:g}"
    )  # fmt: skip
    return (
        f"{column.name}{_IMPOSSIBLE} (its 90 % interval is {low:.{digits}f} to {high:.{digits}f} "
        f"{column.unit}, and it is {bound})"
    )


def refused_columns(reasons: str) -> frozenset[str]:
    """The columns of which `domain_reasons` says that their prediction is no answer."""
    named = (_refused(reason) for reason in reasons.split("; "))
    return frozenset(name for name in named if name)


def refusals_of(reasons: str, columns: Iterable[str]) -> str:
    """Those sentences of `domain_reasons` that are about some columns."""
    wanted = set(columns)
    return "; ".join(each for each in reasons.split("; ") if _refused(each) in wanted)


def without_refusals(reasons: str, columns: Iterable[str]) -> str:
    """`domain_reasons` without its sentences about some columns."""
    dropped = set(columns)
    return "; ".join(each for each in reasons.split("; ") if _refused(each) not in dropped)


def _refused(reason: str) -> str | None:
    """The column that a sentence is about; None where it is about the molecule."""
    for ending in (_UNCERTAIN, _IMPOSSIBLE):
        name, found, _ = reason.partition(ending)
        if found and " " not in name:
            return name
    return None
