"""How a search goes about it: settings alone, which are read where nothing is searched."""

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from screener.errors import ConfigError

# of settings, by those that frozen campaigns may still have
OLD_NAMES = {"first": "initial_fraction", "least_gain": "min_expected_gain"}


class AcquisitionSettings(BaseModel):
    """How a batch is chosen.

    Args:
        rule: `greedy`, the score of the mean prediction; `ucb`, the members' mean score and
            `beta` times their standard deviation; `thompson`, the score by one member, drawn anew
            for each molecule and batch.
        exploration: share of each batch drawn from all that is left, each with the same
            probability.
        beta: only for `ucb`.
    References:
        Graff, Shakhnovich and Coley, Chem. Sci. 12, 7866 (2021).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: Literal["greedy", "ucb", "thompson"] = "greedy"
    exploration: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.05
    beta: NonNegativeFloat = 1.0


class SurrogateSettings(BaseModel):
    """How large the surrogate is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_dims: PositiveInt = 384  # of the projected features
    n_inducing: PositiveInt = 2048
    n_members: PositiveInt = 16
    length: PositiveFloat = 1.0  # scale, in units of the median distance


class SearchSettings(BaseModel):
    """How a search spends its budget.

    Args:
        budget: molecules evaluated in all.
        initial_fraction: share of it that is drawn at random in the beginning, or chosen where
            other molecules are known.
        audit: share of it that is drawn from what is left in the end.
        n_batches: in between.
        top_n: the best of which the search is to find as many as possible.
        min_expected_gain: no more batches are evaluated once the next one is expected to bring
            fewer than this share of the best `top_n`; 0 to spend the whole budget.
        seed: of all draws.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    budget: PositiveInt
    initial_fraction: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    audit: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    n_batches: PositiveInt = 10
    top_n: PositiveInt
    min_expected_gain: NonNegativeFloat = 0.0
    seed: NonNegativeInt = 0
    acquisition: AcquisitionSettings = AcquisitionSettings()
    surrogate: SurrogateSettings = SurrogateSettings()

    @model_validator(mode="before")
    @classmethod
    def _old_names(cls, values: Any) -> Any:
        """A frozen campaign is read whatever release froze it."""
        if not isinstance(values, dict):
            return values
        return {OLD_NAMES.get(name, name): value for name, value in values.items()}

    def sizes(self, n_candidates: int) -> list[int]:
        """How many molecules each batch has: the first, those in between, the audit.

        Raises:
            ConfigError: the budget does not reach that far.
        """
        budget = min(self.budget, n_candidates)
        n_first, n_audit = round(budget * self.initial_fraction), round(budget * self.audit)
        between = budget - n_first - n_audit
        if n_first < 2 or between < self.n_batches:
            raise ConfigError(
                f"a budget of {budget} molecules is too small: {n_first} in the first sample, "
                f"{n_audit} in the audit and {between} for {self.n_batches} batches; evaluate more"
            )
        ends = np.round(np.linspace(0, between, self.n_batches + 1)).astype(int)
        return [n_first, *np.diff(ends).tolist(), n_audit]
