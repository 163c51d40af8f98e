"""What is wanted of a molecule, as a person says it: a preset, objectives, constraints."""

from typing import Any

from pydantic import BaseModel, ConfigDict, PositiveInt, field_validator

from screener.ranking.objectives import (
    By,
    Constraint,
    Objective,
    RankingSettings,
    Similarity,
    parse_constraint,
    parse_objective,
)
from screener.ranking.presets import load_preset

DEFAULT_PRESET = "electrolyte-solvent"
DEFAULT_TOP = 100


class RankingConfig(BaseModel):
    """What is wanted of a molecule.

    Args:
        preset: name of a shipped preset or the path of a TOML file.
        objectives: tables or text as on the command line; with a preset they are added to its own,
            and one on the same column replaces the preset's.
        constraints: the same for constraints.
        by: `value`, `bound`, `probability` or `pareto`, see `RankingSettings`.
        top: how many molecules the shortlist holds.
        max_similarity, per_scaffold: keep its molecules apart, see `RankingSettings`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: str | None = None
    objectives: tuple[Objective, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    by: By | None = None
    top: PositiveInt | None = None
    max_similarity: Similarity | None = None
    per_scaffold: PositiveInt | None = None

    @field_validator("objectives", mode="before")
    @classmethod
    def _objectives(cls, values: Any) -> Any:
        return [
            parse_objective(item) if isinstance(item, str) else item for item in _listed(values)
        ]

    @field_validator("constraints", mode="before")
    @classmethod
    def _constraints(cls, values: Any) -> Any:
        return [
            parse_constraint(item) if isinstance(item, str) else item for item in _listed(values)
        ]

    @property
    def says_nothing(self) -> bool:
        """Whether the objectives and constraints are left to the campaign or the default."""
        choices = (self.preset, self.by, *self.objectives, *self.constraints)
        return all(each is None for each in choices)

    def settings(self, known: RankingSettings | None = None) -> RankingSettings:
        """The settings asked for.

        Args:
            known: what the campaign has; supplies what is not said.
        Raises:
            ConfigError: an unknown preset, or numbers that do not fit each other.
        """
        base: RankingSettings | None = None
        if self.preset is not None:
            base = load_preset(self.preset)
        elif not self.objectives:
            base = known or load_preset(DEFAULT_PRESET)
        source = known or base
        others: dict[str, Any] = {"top": DEFAULT_TOP}
        for name in ("by", "top", "max_similarity", "per_scaffold"):
            if (value := getattr(self, name) or (source and getattr(source, name))) is not None:
                others[name] = value
        if base is None:
            return RankingSettings(
                objectives=self.objectives, constraints=self.constraints, **others
            )
        chosen = {each.column for each in self.objectives}
        bound = {each.column for each in self.constraints}
        return RankingSettings(
            objectives=(
                *(each for each in base.objectives if each.column not in chosen),
                *self.objectives,
            ),
            constraints=(
                *(each for each in base.constraints if each.column not in bound),
                *self.constraints,
            ),
            **others,
            description=base.description if not (chosen or bound) else "",
        )


def _listed(values: Any) -> Any:
    """A list of one where a single objective or constraint was given without its brackets."""
    return [values] if isinstance(values, str | dict) else values
