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
    ValidationInfo,
    field_validator,
    model_validator,
)

from screener.errors import ConfigError
from screener.models.card import DRAWING
from screener.models.low_values import LowValues
from screener.models.registry import model_type
from screener.models.targets import Kind, Targets, targets_of
from screener.registry.columns import chain, column, geometry_level, level, levels
from screener.registry.model_types import ModelType
from screener.stores.toml import explained
from screener.training.fit.model_types import settings_of
from screener.training.qm9.dataset import HIGH
from screener.training.splits import PARTS
from screener.training.tables.conventions import has_zero_point
from screener.training.tables.names import QuantityConfig, UnitConfig, names_of
from screener.training.tables.options import TableOptions, table_options

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
        fitted_on: kind of structures of fit and selection (`training.qm9.labels.KINDS`).
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
        model: type of model, one of the entries `screener.models`.
        kind: `direct`, or `delta` to learn the difference to a lower level.
        low: theory of that level, such as `gfn2`; default: that of the geometry level, or else of
            the first level that computes values at any geometry.
        geometry: level of the structures; not of a model that reads drawings.
        n_conformers: tried per molecule where structures come from SMILES.
        units: of one's own, by name.
        quantities: of one's own, by name.
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
    kind: Kind = "direct"
    low: str | None = None
    geometry: str = ""
    n_conformers: PositiveInt = 1
    units: dict[str, UnitConfig] = Field(default_factory=dict)
    quantities: dict[str, QuantityConfig] = Field(default_factory=dict)
    data: TableOptions | None = None
    qm9: Qm9Config | None = None
    split: SplitConfig = Field(default_factory=SplitConfig)
    settings: dict[str, Any] = Field(default_factory=dict)
    checkpoint_minutes: PositiveFloat = 10.0

    @field_validator("geometry")
    @classmethod
    def _of_now(cls, name: str) -> str:
        return geometry_level(name)

    @field_validator("data", mode="before")
    @classmethod
    def _read_with_names(cls, given: Any, info: ValidationInfo) -> Any:
        if not isinstance(given, dict) or not {"units", "quantities"} <= info.data.keys():
            return given
        names = names_of(info.data["units"], info.data["quantities"])
        return table_options(given, "data", names)

    @property
    def geometry_level(self) -> str:
        """Level of the structures, or `drawing`."""
        return self.geometry or DRAWING

    @property
    def low_theory(self) -> str | None:
        """Theory of the low level of a delta; None of a direct model.

        Raises:
            ConfigError: no level computes values that a difference could be learned to.
        """
        if self.kind == "direct":
            return None
        if self.low is not None:
            return self.low
        at_geometry = [each for each in levels().values() if each.start is None]
        cheapest_first = sorted(at_geometry, key=lambda each: each.seconds)
        theories = [
            each.theory
            for each in (level(self.geometry), *cheapest_first)
            if each.is_computed and each.yields and each.theory not in self._label_theories
        ]
        if not theories:
            raise ConfigError("kind delta: no level computes values; name one with low")
        return next(filter(self._tells_low_values, theories), theories[0])

    def _tells_low_values(self, theory: str) -> bool:
        """Whether a level of theory has a value for each label."""
        if self.data is None:
            return True
        try:
            LowValues(self._targets_on(theory).low_columns)
        except ConfigError:
            return False
        return True

    @property
    def _label_theories(self) -> set[str]:
        if self.data is None:
            return {column(name).theory for name in HIGH}
        return {self.data.column_of(name).theory for name in self.data.labels}

    def targets(self) -> Targets:
        """What is learned from the labels of `data`.

        Raises:
            ConfigError: a label cannot be learned.
        """
        return self._targets_on(self.low_theory)

    def _targets_on(self, low_theory: str | None) -> Targets:
        assert self.data is not None
        return targets_of([self.data.column_of(name) for name in self.data.labels], low_theory)

    @model_validator(mode="after")
    def _fits(self) -> "TrainConfig":
        if (self.data is None) == (self.qm9 is None):
            raise ConfigError("give either [data], a file of yours, or [qm9], the built-in labels")
        kind = model_type(self.model)
        settings_of(kind, self.settings)
        if self.qm9 is not None and "split" in self.model_fields_set:
            raise ConfigError("[split] is of [data]; QM9 has its stored split")
        self._require_geometry(kind)
        if self.data is not None:
            self._require_labels(self.data)
        return self

    def _require_geometry(self, kind: ModelType) -> None:
        if kind.reads == "drawings":
            if self.geometry not in ("", DRAWING) or self.kind == "delta" or self.qm9 is not None:
                raise ConfigError(
                    f"{kind.name} reads drawings: it has no geometry, is not of kind delta, and "
                    "reads [data]"
                )
        elif not self.geometry:
            able = [each.name for each in levels().values() if each.makes_geometry]
            raise ConfigError(f"geometry: name the level of the structures, {', '.join(able)}")
        elif not chain(self.geometry)[-1].makes_geometry:
            raise ConfigError(f"geometry: level {self.geometry} makes no geometries")
        if self.kind == "direct" and self.low is not None:
            raise ConfigError("low: a model of kind direct has no low level")

    def _require_labels(self, data: TableOptions) -> None:
        LowValues(self.targets().low_columns)  # they can be told, or this is an error
        with_zero_point = [name for name in data.labels if has_zero_point(data.column_of(name))]
        if data.zpe == "none" and with_zero_point:
            raise ConfigError(
                f"{with_zero_point[0]} contains the zero-point energy, and zpe none says that the "
                "labels do not: add it to them"
            )
        if data.low is not None:
            raise ConfigError("data.low: the low level of a delta is computed here")


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
