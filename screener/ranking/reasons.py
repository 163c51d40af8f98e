"""Why molecules stand where they do under a ranking: the terms of their scores, in words."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from rdkit import Chem

from screener.chemistry.alerts import alerts_of
from screener.chemistry.nearest import nearest_known
from screener.ranking.between_stages import DISAGREE, EARLIER, OTHER
from screener.ranking.columns import with_asked, with_numbers
from screener.ranking.objectives import Constraint, RankingSettings
from screener.ranking.row_status import RowStatus
from screener.registry.columns import unit_of
from screener.stores.domain_reasons import in_words

Terms = list[tuple[str, str]]


def terms(table: pa.Table, settings: RankingSettings, status: RowStatus) -> list[Terms]:
    """Domain, objectives and constraints of each row of predictions, as label and text.

    Args:
        table: (n,) rows.
        settings: the ranking.
        status: of these rows.
    Returns:
        (n,), in the order of the rows.
    """
    rows = with_numbers(with_asked(table, settings), settings).to_pylist()
    return [list(_terms(row, place, settings, status)) for place, row in enumerate(rows)]


def why_columns(
    table: pa.Table, settings: RankingSettings, status: RowStatus
) -> dict[str, pa.Array]:
    """What a shortlist says of why its rows are there.

    Args:
        table: (n,) rows of predictions.
        settings: the ranking.
        status: of these rows.
    Returns:
        columns of n rows: values of objectives that are expressions or made of the drawing,
        `margin_<column>` for each column with constraints (in the column's unit, positive where all
        are met),
        `alerts_raised`, `nearest_known`, `nearest_known_similarity` and `why`, all terms in words.
    """
    full = with_asked(table, settings)
    rows = with_numbers(full, settings).to_pylist()
    columns = {
        name: full[name].combine_chunks()
        for name in full.column_names
        if name not in table.column_names and name in settings.columns
    }
    for column in dict.fromkeys(each.column for each in settings.constraints):
        if column in full.column_names:
            constraints = [each for each in settings.constraints if each.column == column]
            margins = [_least_margin(constraints, row[column]) for row in rows]
            columns[f"margin_{column}"] = pa.array(margins, pa.float64())
    smiles = table["smiles"].to_pylist()
    raised = [", ".join(alerts_of(Chem.MolFromSmiles(each))) for each in smiles]
    nearest = [nearest_known(each) for each in smiles]
    words = [
        "; ".join(f"{label}: {text}" for label, text in _terms(row, place, settings, status))
        for place, row in enumerate(rows)
    ]
    return columns | {
        "alerts_raised": pa.array(raised, pa.string()),
        "nearest_known": pa.array([name for name, _ in nearest], pa.string()),
        "nearest_known_similarity": pa.array([each for _, each in nearest], pa.float64()),
        "why": pa.array(words, pa.string()),
    }


def _terms(
    row: Mapping[str, Any], place: int, settings: RankingSettings, status: RowStatus
) -> Iterator[tuple[str, str]]:
    yield "domain", _domain(row)
    if row.get(EARLIER):
        yield "decided by the earlier stage", row[EARLIER]
    if row.get(DISAGREE):
        yield "the stages disagree on", row[DISAGREE]
    for objective in settings.objectives:
        column, value = objective.column, row.get(objective.column)
        text = "no value" if value is None else _with_unit(value, column)
        low, high = row.get(f"{column}_lo90"), row.get(f"{column}_hi90")
        if low is not None and high is not None:
            text += f" (90 % {low:.4g} to {high:.4g})"
        if (other := row.get(objective.column + OTHER)) is not None:
            text += f", {other:.4g} by the other stage"
        if column in status.desirabilities and value is not None:
            text += f", desirability {status.desirabilities[column][place]:.3f}"
        yield objective.text, text
    for constraint in settings.constraints:
        value = row.get(constraint.column)
        margin = _margin(constraint, value)
        if value is None or margin is None:
            yield constraint.text, "no value"
        else:
            met = "met" if margin >= 0 else "broken"
            shown = _with_unit(value, constraint.column)
            yield constraint.text, f"{shown}, {met} by {abs(margin):.4g}"


def _domain(row: Mapping[str, Any]) -> str:
    reasons = in_words(row["domain_reasons"] or "")
    if not row["in_domain"]:
        return f"outside: {reasons}"
    return f"inside, but {reasons}" if reasons else "inside"


def _margin(constraint: Constraint, value: float | None) -> float | None:
    """How far a value is inside the nearer bound; negative outside."""
    if value is None:
        return None
    lower = [] if constraint.min is None else [value - constraint.min]
    upper = [] if constraint.max is None else [constraint.max - value]
    return min([*lower, *upper])


def _least_margin(constraints: Sequence[Constraint], value: float | None) -> float | None:
    margins = [_margin(each, value) for each in constraints]
    return min((each for each in margins if each is not None), default=None)


def _with_unit(value: float, column: str) -> str:
    return f"{value:.4g} {unit_of(column)}".rstrip()
