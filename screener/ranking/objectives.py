"""What is asked for: objectives and constraints on columns, checked once, when they are made.

Text on the command line::

    GOAL:COLUMN[:KEY=NUMBER[,KEY=NUMBER...]]     maximise:lumo_b3lyp_ev
                                                 minimise:homo_b3lyp_ev:low=-9,high=-6.4,weight=2
                                                 target:dipole_b3lyp_debye:target=4,low=2,high=6
                                                 range:n_heavy:low=4,high=9
                                                 maximise:lumo_b3lyp_ev - homo_b3lyp_ev
    COLUMN<=NUMBER, COLUMN>=NUMBER, COLUMN==NUMBER, NUMBER<=COLUMN<=NUMBER

The keys are `weight` and those of the goal. How values become scores lives in
`screener.ranking.score`, and the ranges used where none are given with the quantities of the
registry.
"""

import itertools
import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

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
from screener.ranking.objective import NUMBER, Objective, number, parse_objective
from screener.registry.columns import renamed
from screener.stores.files import digest
from screener.stores.toml import explained

__all__ = [
    "By",
    "Constraint",
    "Objective",
    "RankingSettings",
    "Similarity",
    "number",
    "parse_constraint",
    "parse_objective",
]

By = Literal["value", "bound", "probability", "pareto"]
Similarity = Annotated[float, Field(gt=0.0, lt=1.0)]
POOL_PER_PLACE = 20  # molecules that a diverse shortlist is chosen from


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

    @field_validator("column")
    @classmethod
    def _of_today(cls, column: str) -> str:
        return renamed(column)

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

    A single objective without numbers whose goal has an order, such as `minimise` and `maximise`,
    ranks by the value itself. Everything else is put on a scale, and open numbers are filled in
    from the column's typical range when the settings are made, so that what is stored says what
    was used.

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
        if len(objectives) == 1 and only.by_value:
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
        criteria: list[Objective | Constraint] = [*self.objectives, *self.constraints]
        return tuple(dict.fromkeys(each.column for each in criteria))

    @property
    def diversity(self) -> dict[str, float]:
        """What keeps molecules of the shortlist apart; empty where nothing is asked."""
        limits = {"max_similarity": self.max_similarity, "per_scaffold": self.per_scaffold}
        return {name: value for name, value in limits.items() if value is not None}

    @property
    def pool(self) -> int:
        """How many of the best the shortlist is chosen from."""
        return POOL_PER_PLACE * self.top if self.diversity else self.top

    @property
    def digest(self) -> str:
        """Names the ranking: 32 hex digits over all that has an effect on it."""
        return digest(
            {
                "objectives": [each.deciding for each in self.objectives],
                "constraints": [each.model_dump(exclude={"why"}) for each in self.constraints],
                "top": self.top,
                **({} if self.by == "value" else {"by": self.by}),
                **self.diversity,
            }
        )


def parse_constraint(text: str) -> Constraint:
    """A constraint from the command line (the syntax stands at the top of this module).

    Raises:
        ConfigError: the text does not follow the syntax, or its numbers do not fit.
    """
    between = re.fullmatch(rf"\s*({NUMBER})\s*<=\s*(.+?)\s*<=\s*({NUMBER})\s*", text)
    one_end = re.fullmatch(rf"\s*(.+?)\s*(<=|>=|==)\s*({NUMBER})\s*", text)
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
    try:
        return Constraint.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"constraint {text!r}: {explained(error)}") from error
