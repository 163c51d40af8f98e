"""One objective: a column and what is wanted of it, by a goal of the registry."""

import logging
import math
import re
from collections.abc import Mapping
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from screener.errors import ConfigError
from screener.registry.columns import columns, renamed
from screener.registry.goals import Goal
from screener.registry.plugins import entry, registered, signature
from screener.stores.toml import explained

log = logging.getLogger(__name__)

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"


class Objective(BaseModel):
    """One column and what is wanted of it.

    In TOML and on the command line the goal's own numbers stand beside the other fields:
    `goal = "target"`, `target = 4.0`.

    Args:
        column: any predicted, computed or own numeric column, or an expression of such columns
            (`screener.ranking.expressions`).
        goal: name of a goal of the registry, such as `minimise`, `maximise`, `target` (as near as
            possible) or `range` (inside, all values equally good).
        numbers: by the goal's own keys, in the column's unit where they are values of it.
        weight: positive; its share in the weighted geometric mean over the objectives.
        why: where the bounds come from; for readers, without effect on the ranking.
    Raises:
        ConfigError: there is no such goal, or the numbers do not fit each other or the goal.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    goal: str
    numbers: Mapping[str, FiniteFloat] = Field(default_factory=dict)
    weight: FiniteFloat = 1.0
    why: str = ""

    @model_validator(mode="before")
    @classmethod
    def _numbers_by_key(cls, given: Any) -> Any:
        """The goal's numbers, of those that stand beside the fields."""
        if not isinstance(given, Mapping) or not isinstance(given.get("goal"), str):
            return given
        where = f"objective {given['goal']}:{given.get('column', '')}"
        goal = goal_of(given["goal"])
        numbers: dict[str, Any] = dict(given.get("numbers", {}))
        fields = {}
        for key, value in given.items():
            if key in cls.model_fields:
                fields[key] = value
            elif key in goal.keys or key in goal.former:
                numbers[key] = value
            elif (others := _goals_with(key)) and value is not None:
                # all goals had exponents once, and 1 is none
                if value != 1 or not any(key in each.former for each in others):
                    named = ", ".join(repr(each.name) for each in others)
                    raise ConfigError(f"{where}: {key} belongs to goal {named} only")
            elif not others:
                fields[key] = value  # misspelt: pydantic says so
        return {**fields, "numbers": _of_now(numbers, goal, where)}

    @field_validator("column")
    @classmethod
    def _of_today(cls, column: str) -> str:
        return renamed(column)

    @model_validator(mode="after")
    def _fits(self) -> "Objective":
        where = f"objective {self.goal}:{self.column}"
        if not self.column:
            raise ConfigError(f"{where}: the name of the column is empty")
        if self.weight <= 0:
            raise ConfigError(f"{where}: weight must be positive, not {number(self.weight)}")
        goal = goal_of(self.goal)
        missing = [key for key in goal.required if key not in self.numbers]
        if missing:
            raise ConfigError(f"{where}: give {' and '.join(goal.required)}")
        try:
            goal.check(self.numbers)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from error
        return self

    @model_serializer(mode="wrap")
    def _beside_the_fields(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = handler(self)
        numbers = values.pop("numbers", {})
        return {**values, **numbers}

    @property
    def entry(self) -> Goal:
        """The goal."""
        return goal_of(self.goal)

    @property
    def by_value(self) -> bool:
        """Whether the value itself is the score: there is no scale (see `RankingSettings`)."""
        return self.entry.order != 0 and not self.numbers

    @property
    def whole(self) -> dict[str, float]:
        """All numbers of the goal.

        Raises:
            ConfigError: the objective has no scale.
        """
        missing = self.entry.open_keys(self.numbers)
        if missing:
            raise ConfigError(f"objective {self.text} has no scale: give {' and '.join(missing)}")
        return {**self.entry.defaults, **self.numbers}

    @property
    def acceptable(self) -> tuple[float, float]:
        """The values that are worth at least one half: the lowest and the highest.

        Raises:
            ConfigError: the objective has no scale.
        """
        return self.entry.acceptable(self.whole)

    @property
    def text(self) -> str:
        """As on the command line; `parse_objective` reads it back (without `why`)."""
        keys = self.entry.keys
        values = {
            key: self.numbers[key]
            for key, own in keys.items()
            if key in self.numbers and own is None
        }
        if self.weight != 1.0:
            values["weight"] = self.weight
        values |= {key: value for key, value in self.numbers.items() if key not in values}
        numbers = ",".join(f"{key}={number(value)}" for key, value in values.items())
        return f"{self.goal}:{self.column}" + (f":{numbers}" if numbers else "")

    @property
    def deciding(self) -> dict[str, Any]:
        """What it decides by, as digests of rankings had it before goals were entries."""
        before = {now: key for key, now in self.entry.former.items()}
        plugin = signature("objectives", self.goal)
        return {
            "column": self.column,
            "goal": self.goal,
            **dict.fromkeys(("low", "high", "target")),
            **{before.get(key, key): value for key, value in self.numbers.items()},
            "weight": self.weight,
            **({"plugin": plugin} if plugin else {}),
        }

    def with_ends(self) -> "Objective":
        """The same, with open numbers filled in from the column's typical range.

        Raises:
            ConfigError: no typical range of the column is known.
        """
        missing = self.entry.open_keys(self.numbers)
        if not missing:
            return self
        known = columns().get(self.column)
        typical = None if known is None else known.typical
        if typical is None:
            example = ",".join(f"{key}={10 * place}" for place, key in enumerate(missing))
            if set(missing) <= {"low", "high"}:
                example = "low=0,high=10"
            raise ConfigError(
                f"objective {self.text}: no typical range of {self.column!r} is known; "
                f"give {' and '.join(missing)}, such as "
                f"{self.goal}:{self.column}:{example} (they set its scale)"
            )
        numbers = self.entry.fill(self.numbers, typical)
        return Objective.model_validate({**self.model_dump(), **numbers})


def goal_of(name: str) -> Goal:
    """A goal by its name.

    Raises:
        ConfigError: there is none.
    """
    value: Goal = entry("objectives", name)
    return value


def parse_objective(text: str) -> Objective:
    """An objective from the command line (the syntax stands in `screener.ranking.objectives`).

    Raises:
        ConfigError: the text does not follow the syntax, or its numbers do not fit.
    """
    goal, colon, rest = text.strip().partition(":")
    if not colon or not rest:
        raise ConfigError(
            f"objective {text!r}: write GOAL:COLUMN or GOAL:COLUMN:low=NUMBER,high=NUMBER, "
            "such as maximise:lumo_b3lyp_ev"
        )
    known = registered("objectives")
    if goal not in known:
        raise ConfigError(
            f"objective {text!r}: the goal is one of {', '.join(known)}, not {goal!r}"
        )
    column, colon, numbers = rest.rpartition(":")
    if not colon:
        column, numbers = rest, ""
    elif "=" not in numbers:  # a column of the user's may contain a colon; a bare number is a slip
        if re.fullmatch(rf"{NUMBER}(?:,{NUMBER})*", numbers):
            raise ConfigError(
                f"objective {text!r}: name each number, such as {goal}:{column}:low={numbers}"
            )
        column, numbers = rest, ""
    values: dict[str, float] = {}
    for part in numbers.split(",") if numbers else []:
        key, _, value = (piece.strip() for piece in part.partition("="))
        if not (_goals_with(key) or key == "weight") or key in values:
            value = ""
        if not re.fullmatch(NUMBER, value):
            keys = ", ".join((*known[goal].keys, "weight"))
            raise ConfigError(
                f"objective {text!r}: {part.strip()!r} is not KEY=NUMBER with KEY once and one of "
                f"{keys}"
            )
        values[key] = float(value)
    try:
        return Objective.model_validate({"column": column.strip(), "goal": goal, **values})
    except ValidationError as error:
        raise ConfigError(f"objective {text!r}: {explained(error)}") from error


def number(value: float) -> str:
    """The shortest text that reads back as the same float64."""
    return str(int(value)) if value == math.floor(value) and abs(value) < 1e15 else repr(value)


def _goals_with(key: str) -> list[Goal]:
    """Goals that take, or took, a number of that name."""
    goals: list[Goal] = list(registered("objectives").values())
    return [goal for goal in goals if key in goal.keys or key in goal.former]


def _of_now(given: Mapping[str, Any], goal: Goal, where: str) -> dict[str, Any]:
    """Numbers that say something, by the keys of now."""
    numbers: dict[str, Any] = {}
    for key, value in given.items():
        now = goal.former.get(key, key)
        if value is None or value == goal.keys.get(now):
            continue
        if now != key:
            if now in given:
                raise ConfigError(f"{where}: {key} is the former name of {now}; give one of them")
            log.warning("%s: %s is called %s now", where, key, now)
        numbers[now] = value
    return numbers
