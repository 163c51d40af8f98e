"""What is asked for: objectives and constraints on columns, checked once, when they are made.

Text on the command line::

    GOAL:COLUMN[:KEY=NUMBER[,KEY=NUMBER...]]     maximise:lumo_b3lyp_ev
                                                 minimise:homo_b3lyp_ev:low=-9,high=-6.4,weight=2
                                                 target:dipole_b3lyp_debye:target=4,low=2,high=6
                                                 range:n_heavy:low=4,high=9
                                                 maximise:lumo_b3lyp_ev - homo_b3lyp_ev
    COLUMN<=NUMBER, COLUMN>=NUMBER, COLUMN==NUMBER, NUMBER<=COLUMN<=NUMBER

The keys are the fields of `Objective`. How values become scores lives in `screener.ranking.score`,
and the bounds used where none are given in `screener.ranking.ranges`.
"""

import itertools
import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    PositiveInt,
    ValidationError,
    field_validator,
)
from pydantic import model_validator as check_model

from screener.errors import ConfigError
from screener.ranking.ranges import typical_range
from screener.stores.files import digest
from screener.stores.toml import explained

Goal = Literal["minimise", "maximise", "target", "range"]
By = Literal["value", "bound", "probability", "pareto"]
Similarity = Annotated[float, Field(gt=0.0, lt=1.0)]
EDGE = 0.05  # desirability at the bad end of a scale, and what is missing from 1 at the good end
POOL_PER_PLACE = 20  # molecules that a diverse shortlist is chosen from
_GOALS: tuple[str, ...] = get_args(Goal)
_Model = TypeVar("_Model", bound=BaseModel)
_NUMBER_KEYS = ("low", "high", "target", "weight", "s", "t")
_ONES = ("weight", "s", "t")  # numbers that are 1 where nothing is said
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"


class Objective(BaseModel):
    """One column and what is wanted of it.

    Args:
        column: any predicted, computed or own numeric column, or an expression of such columns
            (`screener.ranking.expressions`).
        goal: `minimise`, `maximise`, `target` (as near as possible) or `range` (inside, all values
            equally good).
        low: in the column's unit; the lower end of the scale, for `range` of what is wanted.
        high: in the column's unit; the upper end.
        target: in the column's unit; only for goal `target`, between `low` and `high`.
        weight: positive; its share in the weighted geometric mean over the objectives.
        s: positive; exponent of the desirability where more is better: for `maximise`, and below
            the values that `target` and `range` want.
        t: positive; the same where less is better: for `minimise`, and above those values.
        why: where the bounds come from; for readers, without effect on the ranking.
    Raises:
        ConfigError: the numbers do not fit each other or the goal.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    goal: Goal
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None
    target: FiniteFloat | None = None
    weight: FiniteFloat = 1.0
    s: FiniteFloat = 1.0
    t: FiniteFloat = 1.0
    why: str = ""

    @check_model(mode="after")
    def _fits(self) -> "Objective":
        where = f"objective {self.goal}:{self.column}"
        if not self.column:
            raise ConfigError(f"{where}: the name of the column is empty")
        for key in _ONES:
            if (value := getattr(self, key)) <= 0:
                raise ConfigError(f"{where}: {key} must be positive, not {number(value)}")
        if (self.goal == "maximise" and self.t != 1) or (self.goal == "minimise" and self.s != 1):
            raise ConfigError(
                f"{where}: s belongs to maximise, t to minimise; target and range have both"
            )
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ConfigError(
                f"{where}: low ({number(self.low)}) must be smaller than high ({number(self.high)})"
            )
        if self.goal == "range" and (self.low is None or self.high is None):
            raise ConfigError(f"{where}: give low and high, the ends of the range")
        if self.goal != "target" and self.target is not None:
            raise ConfigError(f"{where}: target belongs to goal 'target' only")
        if self.goal == "target":
            if self.target is None:
                raise ConfigError(f"{where}: give target, the value wanted")
            if (self.low is not None and self.low >= self.target) or (
                self.high is not None and self.high <= self.target
            ):
                raise ConfigError(f"{where}: target must lie between low and high, not at an end")
        return self

    @property
    def by_value(self) -> bool:
        """Whether the value itself is the score: the scale has no ends (see `RankingSettings`)."""
        return self.low is None and self.high is None and self.s == self.t == 1

    @property
    def acceptable(self) -> tuple[float, float]:
        """The values that are worth at least one half: the lowest and the highest.

        Raises:
            ConfigError: the objective has no scale.
        """
        low, high = self.low, self.high
        if low is None or high is None:
            raise ConfigError(f"objective {self.text} has no scale: give low and high")
        if self.goal == "maximise":
            return low + 0.5 ** (1.0 / self.s) * (high - low), math.inf
        if self.goal == "minimise":
            return -math.inf, high - 0.5 ** (1.0 / self.t) * (high - low)
        if self.goal == "range":
            return low, high
        target = low if self.target is None else self.target
        half = (0.5 - EDGE) / (1.0 - EDGE)
        below, above = (1.0 - half ** (1.0 / exponent) for exponent in (self.s, self.t))
        return target - below * (target - low), target + above * (high - target)

    @property
    def text(self) -> str:
        """As on the command line; `parse_objective` reads it back (without `why`)."""
        values = {key: getattr(self, key) for key in _NUMBER_KEYS}
        for key in _ONES:
            if values[key] == 1.0:
                del values[key]
        numbers = ",".join(
            f"{key}={number(value)}" for key, value in values.items() if value is not None
        )
        return f"{self.goal}:{self.column}" + (f":{numbers}" if numbers else "")

    def with_ends(self) -> "Objective":
        """The same, with open ends filled in from the table of typical ranges.

        Raises:
            ConfigError: the column is not in the table.
        """
        if self.low is not None and self.high is not None:
            return self
        typical = typical_range(self.column)
        if typical is None:
            missing = " and ".join(key for key in ("low", "high") if getattr(self, key) is None)
            raise ConfigError(
                f"objective {self.text}: no typical range of {self.column!r} is known; "
                f"give {missing}, such as "
                f"{self.goal}:{self.column}:low=0,high=10 (low and high set its scale)"
            )
        low, high = typical
        if (
            self.target is not None
        ):  # a target is worth little one quarter of the typical range away
            quarter = (high - low) / 4
            low, high = self.target - quarter, self.target + quarter
        ends = {
            "low": low if self.low is None else self.low,
            "high": high if self.high is None else self.high,
        }
        return Objective.model_validate({**self.model_dump(), **ends})


class Constraint(BaseModel):
    """A column that must lie between `min` and `max`, both inclusive, at least one of them given.

    Raises:
        ConfigError: neither is given, or `min` is larger than `max`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    min: FiniteFloat | None = None
    max: FiniteFloat | None = None
    why: str = ""

    @check_model(mode="after")
    def _fits(self) -> "Constraint":
        if not self.column:
            raise ConfigError("constraint: the name of the column is empty")
        if self.min is None and self.max is None:
            raise ConfigError(f"constraint on {self.column}: give min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ConfigError(
                f"constraint on {self.column}: nothing is at least {number(self.min)} "
                f"and at most {number(self.max)}"
            )
        return self

    @property
    def text(self) -> str:
        """As on the command line; `parse_constraint` reads it back (without `why`)."""
        if self.min is not None and self.max is not None:
            if self.min == self.max:
                return f"{self.column}=={number(self.min)}"
            return f"{number(self.min)}<={self.column}<={number(self.max)}"
        if self.min is not None:
            return f"{self.column}>={number(self.min)}"
        return f"{self.column}<={number(self.max or 0.0)}"

    def can_hold_with(self, other: "Constraint") -> bool:
        """Whether some value fulfils this and another constraint on the same column."""
        lower = [each.min for each in (self, other) if each.min is not None]
        upper = [each.max for each in (self, other) if each.max is not None]
        return max(lower, default=-math.inf) <= min(upper, default=math.inf)


class RankingSettings(BaseModel):
    """Everything that decides the order of a shortlist.

    A single `minimise` or `maximise` objective without `low` and `high` ranks by the value itself.
    Everything else is put on a scale, and open ends are filled in from the table of typical ranges
    when the settings are made, so that what is stored says what was used.

    Args:
        objectives: at least one, each on another column.
        constraints: what a molecule must fulfil to be ranked.
        by: `value`; `bound`: each predicted column counts by that end of its calibrated 90 %
            interval which is worse, for objectives and constraints alike; `probability`: of all
            objectives being met, which is a desirability of at least one half, and of all
            constraints on predicted columns; `pareto`: by fronts of the desirabilities, see
            `screener.ranking.pareto`.
        top: how many molecules the shortlist holds.
        max_similarity: two molecules of the shortlist are at most as similar as this (Tanimoto, 0
            to 1): of those that are more, the better one stays.
        per_scaffold: molecules of one ring scaffold in the shortlist, at most.
        description: for readers, without effect on the ranking.
    Raises:
        ConfigError: an open end on a column without a typical range, a column in two objectives,
            constraints that nothing fulfils together, or nothing to be met by probability.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...] = ()
    by: By = "value"
    top: PositiveInt = 100
    max_similarity: Similarity | None = None
    per_scaffold: PositiveInt | None = None
    description: str = ""

    @field_validator("objectives", mode="after")
    @classmethod
    def _on_a_scale(cls, objectives: tuple[Objective, ...]) -> tuple[Objective, ...]:
        if not objectives:
            raise ConfigError("give at least one objective, such as maximise:lumo_b3lyp_ev")
        columns = [objective.column for objective in objectives]
        twice = sorted({column for column in columns if columns.count(column) > 1})
        if twice:
            raise ConfigError(
                f"more than one objective on {', '.join(twice)}; keep one, or use a constraint"
            )
        only = objectives[0]
        if len(objectives) == 1 and only.goal in ("minimise", "maximise") and only.by_value:
            return objectives
        return tuple(objective.with_ends() for objective in objectives)

    @check_model(mode="after")
    def _fits(self) -> "RankingSettings":
        if self.by == "probability" and self.objectives[0].by_value:
            text = self.objectives[0].text
            raise ConfigError(
                f"ranking by probability needs something to be met, and objective {text} has no "
                f"scale; give low and high, such as {text}:low=0,high=10"
            )
        for one, other in itertools.combinations(self.constraints, 2):
            if one.column == other.column and not one.can_hold_with(other):
                raise ConfigError(
                    f"no molecule fulfils {one.text} and {other.text} at once; leave out one of "
                    "them"
                )
        return self

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], where: str) -> "RankingSettings":
        """Settings from parsed TOML or JSON.

        Args:
            values: the fields by name.
            where: file or section, for the message.
        Raises:
            ConfigError: a key is misspelt, a value has the wrong type, or the numbers do not fit
                each other.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise ConfigError(f"{where}: {explained(error)}") from error
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from error

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is read, each once, objectives first."""
        asked: list[Objective | Constraint] = [*self.objectives, *self.constraints]
        return tuple(dict.fromkeys(each.column for each in asked))

    @property
    def diversity(self) -> dict[str, float]:
        """What keeps molecules of the shortlist apart; empty where nothing is asked."""
        asked = {"max_similarity": self.max_similarity, "per_scaffold": self.per_scaffold}
        return {name: value for name, value in asked.items() if value is not None}

    @property
    def pool(self) -> int:
        """How many of the best the shortlist is chosen from."""
        return POOL_PER_PLACE * self.top if self.diversity else self.top

    @property
    def digest(self) -> str:
        """Names the ranking: 32 hex digits over all that has an effect on it."""
        return digest(
            {
                "objectives": [_deciding(each) for each in self.objectives],
                "constraints": [each.model_dump(exclude={"why"}) for each in self.constraints],
                "top": self.top,
                **({} if self.by == "value" else {"by": self.by}),
                **self.diversity,
            }
        )


def _deciding(objective: Objective) -> dict[str, Any]:
    """What an objective decides by; exponents of 1 are left out, as before there were any."""
    ones = {key for key in ("s", "t") if getattr(objective, key) == 1.0}
    return objective.model_dump(exclude={"why", *ones})


def parse_objective(text: str) -> Objective:
    """An objective from the command line (the syntax stands at the top of this module).

    Raises:
        ConfigError: the text does not follow the syntax, or its numbers do not fit.
    """
    goal, colon, rest = text.strip().partition(":")
    if not colon or not rest:
        raise ConfigError(
            f"objective {text!r}: write GOAL:COLUMN or GOAL:COLUMN:low=NUMBER,high=NUMBER, "
            "such as maximise:lumo_b3lyp_ev"
        )
    if goal not in _GOALS:
        raise ConfigError(
            f"objective {text!r}: the goal is one of {', '.join(_GOALS)}, not {goal!r}"
        )
    column, colon, numbers = rest.rpartition(":")
    if not colon:
        column, numbers = rest, ""
    elif "=" not in numbers:  # a column of the user's may contain a colon; a bare number is a slip
        if re.fullmatch(rf"{_NUMBER}(?:,{_NUMBER})*", numbers):
            raise ConfigError(
                f"objective {text!r}: name each number, such as {goal}:{column}:low={numbers}"
            )
        column, numbers = rest, ""
    values: dict[str, float] = {}
    for part in numbers.split(",") if numbers else []:
        key, _, value = (piece.strip() for piece in part.partition("="))
        if key not in _NUMBER_KEYS or not re.fullmatch(_NUMBER, value) or key in values:
            raise ConfigError(
                f"objective {text!r}: {part.strip()!r} is not KEY=NUMBER with KEY once and one of "
                f"{', '.join(_NUMBER_KEYS)}"
            )
        values[key] = float(value)
    return _made(
        Objective, {"column": column.strip(), "goal": goal, **values}, f"objective {text!r}"
    )


def parse_constraint(text: str) -> Constraint:
    """A constraint from the command line (the syntax stands at the top of this module).

    Raises:
        ConfigError: the text does not follow the syntax, or its numbers do not fit.
    """
    between = re.fullmatch(rf"\s*({_NUMBER})\s*<=\s*(.+?)\s*<=\s*({_NUMBER})\s*", text)
    one_end = re.fullmatch(rf"\s*(.+?)\s*(<=|>=|==)\s*({_NUMBER})\s*", text)
    values: dict[str, Any]
    if between:
        values = {"column": between[2], "min": float(between[1]), "max": float(between[3])}
    elif one_end and not re.search(r"[<>=]", one_end[1]):
        bound = float(one_end[3])
        ends = {"<=": ("max",), ">=": ("min",), "==": ("min", "max")}[one_end[2]]
        values = {"column": one_end[1], **dict.fromkeys(ends, bound)}
    else:
        raise ConfigError(
            f"constraint {text!r}: write COLUMN<=NUMBER, COLUMN>=NUMBER, COLUMN==NUMBER or "
            "NUMBER<=COLUMN<=NUMBER, such as n_heavy<=12"
        )
    return _made(Constraint, values, f"constraint {text!r}")


def number(value: float) -> str:
    """The shortest text that reads back as the same float64."""
    return str(int(value)) if value == math.floor(value) and abs(value) < 1e15 else repr(value)


def _made(model: type[_Model], values: dict[str, Any], where: str) -> _Model:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{where}: {explained(error)}") from error
