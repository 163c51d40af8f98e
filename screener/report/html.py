"""A report as one HTML file: no scripts, nothing fetched, every text of the input escaped.

Pure: the same content gives the same bytes. What stands in it is collected by
`screener.report.collect`; the page itself is `templates/report.html.j2`.
"""

from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from screener.ranking.objectives import Objective
from screener.ranking.score_meaning import meaning_of
from screener.report.content import KnownMolecule, Molecule, ReportContent, Value
from screener.report.drawing import draw
from screener.report.labels import Label, counted, label_of, written

N_CARDS = 12  # molecules shown large
N_DRAWN = 100  # rows of a table that are drawn; a drawing takes about 4 kB
_KNOWN_ORDER = (
    "shortlisted",
    "ranked",
    "not selected",
    "filtered",
    "out of domain",
    "quarantined",
    "not done",
)


@dataclass(frozen=True, slots=True)
class _Cell:
    """One value as it is written."""

    label: Label
    value: str
    interval: str  # empty where there is none
    correction: str
    desirability: float | None


def render_report(content: ReportContent) -> str:
    """The report as HTML.

    Args:
        content: what was asked and what came of it.
    Returns:
        a whole document, to be stored as UTF-8.
    """
    environment = Environment(
        loader=PackageLoader("screener.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["counted"] = counted
    environment.globals["drawing"] = _drawing
    objectives = content.ranking.objectives
    template = environment.get_template("report.html.j2")
    return template.render(
        content=content,
        asked=[_asked(objective) for objective in objectives],
        labels=[label_of(objective.column) for objective in objectives],
        score=meaning_of(content.ranking),
        by_value=objectives[0].by_value,
        molecules=[(each, _cells(each, content)) for each in content.shortlist],
        known=sorted(content.known, key=_known_order),
        unfinished=any(stage.not_done for stage in content.accounts.stages),
        n_cards=N_CARDS,
        n_drawn=N_DRAWN,
    )


def _drawing(smiles: str, width: int = 220, height: int = 150) -> Markup:
    return Markup(draw(smiles, width, height))  # safe: shapes and numbers, nothing of the input


def _asked(objective: Objective) -> dict[str, Any]:
    label = label_of(objective.column)
    scale = "by the value itself"
    if not objective.by_value:
        scale = objective.entry.scale(objective.whole, lambda value: written(value, label))
    return {
        "label": label,
        "column": objective.column,
        "goal": objective.goal,
        "scale": scale,
        "weight": f"{objective.weight:.4g}",
        "why": objective.why,
    }


def _cells(molecule: Molecule, content: ReportContent) -> list[_Cell]:
    return [
        _cell(molecule.values.get(objective.column, Value(None)), label_of(objective.column))
        for objective in content.ranking.objectives
    ]


def _cell(value: Value, label: Label) -> _Cell:
    interval = correction = ""
    if value.lo90 is not None and value.hi90 is not None:
        interval = f"{written(value.lo90, label)} to {written(value.hi90, label)}"
    if value.low is not None and value.delta is not None:
        change = written(abs(value.delta), label)
        sign = "−" if value.delta < 0 else "+"
        correction = f"{value.low_name} {written(value.low, label)} {sign} {change}".strip()
    return _Cell(label, written(value.value, label), interval, correction, value.desirability)


def _known_order(known: KnownMolecule) -> tuple[int, float, str]:
    rank = float("inf") if known.rank is None else known.rank
    return (_KNOWN_ORDER.index(known.state), rank, known.known_as)
