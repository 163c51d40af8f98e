"""What a person asks of a training, from a TOML file."""

import math
import tomllib
from pathlib import Path
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from screener.errors import ConfigError
from screener.models.card import GeometryLevel
from screener.models.predictor import Kind
from screener.stores.toml import explained
from screener.training.fit.model_types import model_type, settings_of
from screener.training.splits import PARTS
from screener.training.tables.options import TableOptions

FRACTIONS = {"fit": 0.8, "selection": 0.05, "calibration": 0.05, "test": 0.1}


class SplitConfig(BaseModel):
    """Which part a molecule belongs to.

    Args:
        column: of the file, naming `fit`, `selection`, `calibration`, `test` or nothing.
        fractions: by part, where no column names it; drawn by connectivity.
        seed: of the draw.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str | None = None
    fractions: dict[str, PositiveFloat] = Field(default_factory=lambda: dict(FRACTIONS))
    seed: NonNegativeInt = 0

    @model_validator(mode="after")
    def _fits(self) -> "SplitConfig":
        if set(self.fractions) != set(PARTS) or not math.isclose(sum(self.fractions.values()), 1):
            raise ConfigError(
                f"split.fractions: give {', '.join(PARTS)}, adding up to 1; "
                f"they are {self.fractions}"
            )
        if self.column is not None and "fractions" in self.model_fields_set:
            raise ConfigError("split: give a column or fractions, not both")
        return self


class Qm9Config(BaseModel):
    """The labels of QM9 that `screener labels` makes, and how many molecules of each stored part.

    Args:
        fitted_on: kind of structures of fit and selection (`training.labels.KINDS`).
        met: kind of structures of calibration and test, as a campaign meets them.
        fit, selection, calibration, test: molecules.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fitted_on: str
    met: str
    fit: PositiveInt
    selection: PositiveInt
    calibration: PositiveInt
    test: PositiveInt


class TrainConfig(BaseModel):
    """One training.

    Args:
        name: of the bundle.
        out: its folder.
        model: type of model, see `registry`.
        kind: `direct`, or `delta` to learn the difference to GFN2.
        geometry: level of the structures.
        n_conformers: tried per molecule where structures come from SMILES.
        data: an outside file; or
        qm9: the built-in labels, with their stored split.
        split: of the outside file.
        settings: of the type of model, its seed included.
        checkpoint_minutes: between checkpoints.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    out: str = Field(min_length=1)
    model: str = "sparse-fchl"
    kind: Kind
    geometry: GeometryLevel
    n_conformers: PositiveInt = 1
    data: TableOptions | None = None
    qm9: Qm9Config | None = None
    split: SplitConfig = Field(default_factory=SplitConfig)
    settings: dict[str, Any] = Field(default_factory=dict)
    checkpoint_minutes: PositiveFloat = 10.0

    @model_validator(mode="after")
    def _fits(self) -> "TrainConfig":
        if (self.data is None) == (self.qm9 is None):
            raise ConfigError("give either [data], a file of yours, or [qm9], the built-in labels")
        kind = model_type(self.model)
        settings_of(kind, self.settings)
        if self.qm9 is not None and "split" in self.model_fields_set:
            raise ConfigError("[split] is of [data]; QM9 has its stored split")
        if self.data is not None:
            self._require_labels(self.data, kind.quantities)
        return self

    def _require_labels(self, data: TableOptions, quantities: tuple[str, ...]) -> None:
        if missing := [name for name in quantities if name not in data.labels]:
            raise ConfigError(
                f"{self.model} learns {', '.join(quantities)}; data.labels names no column for "
                f"{', '.join(missing)}"
            )
        if unknown := sorted(set(data.labels) - set(quantities)):
            raise ConfigError(f"{self.model} does not learn {unknown[0]}: {', '.join(quantities)}")
        if data.zpe == "none":
            raise ConfigError(
                "ae0_b3lyp_kcal contains the zero-point energy, and zpe none says that the labels "
                "do not: add it to them"
            )
        if data.low is not None:
            raise ConfigError("data.low: the low level of a delta is GFN2, which is computed here")


def read_train_config(path: Path) -> TrainConfig:
    """The configuration in a TOML file; a relative `data.path` is relative to the file.

    Raises:
        ConfigError: the file cannot be read, or does not fit.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error
    data = values.get("data")
    if isinstance(data, dict) and isinstance(data.get("path"), str) and "://" not in data["path"]:
        data["path"] = str(path.parent / data["path"])
    try:
        return TrainConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{path}: {explained(error)}") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
