"""What the columns of a shortlist mean, one line each: the file `columns.csv` beside it."""

from collections.abc import Sequence

import pyarrow as pa

from screener.ranking.between_stages import DISAGREE, EARLIER, OTHER
from screener.ranking.objectives import RankingSettings
from screener.ranking.score_meaning import meaning_of
from screener.registry.columns import columns, unit_of, words_of

_FIXED = {
    "rank": "Place in this ranking, from 1.",
    "pareto_front": "Number of the Pareto front: the molecules of front 1 are surpassed by no "
    "other in all objectives.",
    "pareto_utility": "Weighted geometric mean of the desirabilities, 0 to 1; orders equal scores.",
    "expected_utility": "Weighted geometric mean of the desirabilities that is to be expected from "
    "the intervals, 0 to 1; orders equal scores.",
    "known": "Whether it is marked as a known molecule.",
    "alerts_raised": "Listed groups that the molecule has.",
    "nearest_known": "The known electrolyte molecule that is most similar.",
    "nearest_known_similarity": "Tanimoto similarity to it, 0 to 1.",
    "why": "All terms of the score and the constraints in words.",
    "row": "Number of the row in the library.",
    "mol_id": "Identity of the molecule.",
    "inchikey": "InChIKey of the molecule.",
    "smiles": "The molecule, standardised.",
    "source_id": "Your id.",
    "sa_score": "Synthetic accessibility, 1 (easy) to 10 (hard).",
    "alerts": "How many kinds of listed groups the molecule has.",
    "in_domain": "Whether the models know molecules of its kind.",
    "domain_reasons": "Why they do not.",
    DISAGREE: "Columns of which the 90 % intervals of the two stages have no value in common.",
    EARLIER: "Columns that the earlier stage decided, being the better one for this size.",
}
_PREFIXES = {
    "margin_": "How far {} is inside the constraints on it; negative outside.",
    "alert_": "Whether the molecule has the listed group {}: 1 or 0.",
}
_SUFFIXES = {
    "_std": "Standard deviation of {}.",
    "_lo90": "Lower end of the 90 % interval of {}.",
    "_hi90": "Upper end of the 90 % interval of {}.",
    OTHER: "Value of {} by the stage that does not decide.",
    "_delta": "Correction that the model added to a lower level of theory to get {}.",
}


def legend(names: Sequence[str], settings: RankingSettings) -> pa.Table:
    """What columns of a shortlist mean.

    Args:
        names: of the columns, in their order.
        settings: the ranking.
    Returns:
        a row for each: `column`, `unit` (empty for numbers and text), `meaning`.
    """
    worth = "Probability, 0 to 1, that {} is worth at least one half."
    if settings.by != "probability":
        worth = "How well {} meets its objective, 0 to 1."
    prefixes = {"desirability_": worth, **_PREFIXES}
    rows = [_row(name, settings, prefixes) for name in names]
    return pa.Table.from_pylist(rows, schema=_SCHEMA)


_SCHEMA = pa.schema([("column", pa.string()), ("unit", pa.string()), ("meaning", pa.string())])


def _row(name: str, settings: RankingSettings, prefixes: dict[str, str]) -> dict[str, str]:
    if name == "score":
        return {"column": name, "unit": "", "meaning": meaning_of(settings).sentence}
    if name in _FIXED:
        return {"column": name, "unit": "", "meaning": _FIXED[name]}
    for prefix, text in prefixes.items():
        if name.startswith(prefix):
            of = name.removeprefix(prefix)
            unit = unit_of(of) if prefix == "margin_" else ""
            return {"column": name, "unit": unit, "meaning": text.format(_called(of))}
    for suffix, text in _SUFFIXES.items():
        of = name.removesuffix(suffix)
        if of != name and of in columns():
            return {"column": name, "unit": unit_of(of), "meaning": text.format(_called(of))}
    if name in columns():
        words = _called(name)
        return {"column": name, "unit": unit_of(name), "meaning": f"{words[0].upper()}{words[1:]}."}
    if any(each.column == name for each in settings.objectives):
        return {"column": name, "unit": "", "meaning": "What an objective is about."}
    return {"column": name, "unit": "", "meaning": "A column of yours, or of a model of yours."}


def _called(column: str) -> str:
    words, theory = words_of(column)
    comma = "," * ("," in words)  # atomization energy, 0 K, at B3LYP
    return f"{words}{comma} at {theory}" if theory else words
