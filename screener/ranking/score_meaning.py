"""What the number that a ranking gives each molecule is called, and what it means."""

from dataclasses import dataclass

from screener.ranking.objectives import RankingSettings


@dataclass(frozen=True, slots=True)
class ScoreMeaning:
    """The score of a ranking.

    Args:
        name: two words at most, for the head of a column.
        sentence: what the number is, in which direction it is good, and what orders equal ones.
        tie_column: column of the shortlist with what orders equal ones; empty where it is `mol_id`.
    """

    name: str
    sentence: str
    tie_column: str = ""


def meaning_of(settings: RankingSettings) -> ScoreMeaning:
    """What the score of a ranking is."""
    only = settings.objectives[0]
    if settings.by == "pareto":
        return ScoreMeaning(
            "Pareto score",
            "Minus the number of the Pareto front (in front 1 are the molecules that no other "
            "surpasses in all objectives), and up to 0.5 more for the room around the molecule in "
            "its front (0.5 at its ends); equal scores by pareto_utility, the weighted geometric "
            "mean of the desirabilities, the higher first.",
            "pareto_utility",
        )
    if settings.by == "probability":
        return ScoreMeaning(
            "probability",
            "Probability, 0 to 1, that every objective is worth at least one half and that every "
            "constraint on a predicted value is met, from the calibrated intervals, taken as "
            "independent; equal probabilities by expected_utility, the weighted geometric mean of "
            "the desirabilities that is to be expected, the higher first.",
            "expected_utility",
        )
    worse = "the worse end of the 90 % interval of " if settings.by == "bound" else ""
    if only.by_value:
        is_rising = only.entry.order > 0
        what = f"{worse}{only.column}"
        sentence = (
            f"{what[0].upper()}{what[1:]} itself, the higher the better"
            if is_rising and worse
            else f"The value of {what} itself, the higher the better"
            if is_rising
            else f"Minus {what}, so that the higher is the better"
        )
        name = ("worse end" if worse else "value") if is_rising else "minus value"
        return ScoreMeaning(name, f"{sentence}; equal scores by mol_id.")
    at = ", each at the worse end of its 90 % interval" if worse else ""
    return ScoreMeaning(
        "desirability",
        "Weighted geometric mean of the desirabilities of the objectives, from 0 (worth nothing) "
        f"to 1 (nothing better to ask for){at}; equal scores by mol_id.",
    )
