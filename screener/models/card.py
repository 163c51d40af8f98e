"""The card of a bundle: everything about a model that is not an array, as JSON.

A card says by itself what its columns are, so that a bundle is read where neither the plug-in nor
the configuration that named its quantities is at hand.
"""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, field_validator

from screener.models.calibration import QuantityCalibration
from screener.models.low_values import LowValues, is_computed, values_from
from screener.models.targets import Kind, Target, Targets
from screener.models.uncertainty.domain import Domain, DrawingDomain
from screener.registry.columns import geometry_level
from screener.registry.elements import number_of
from screener.registry.quantities import Column, Quantity
from screener.registry.units import Unit
from screener.stores.paths import require_name

SCHEMA_VERSION = 3
DRAWING = "drawing"  # in the place of a geometry level, of models that read drawings


class QuantityCard(BaseModel):
    """One predicted column.

    Args:
        quantity: first part of the column's name.
        theory: level of theory in the column's name; empty for measured values.
        label: for a reader.
        unit: of the column, with all that is needed to convert it.
        extensive: whether it is a sum over atoms.
        lower, upper: values that nature does not go beyond, where there are such.
        low: column of the low value that what is learned is added to, where it is.
        difference: the two columns whose difference it is, where it is not fitted.
        typical: the range that most molecules lie in, where it is known.
        calibration: of its predictions.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    quantity: str
    theory: str
    label: str
    unit: Unit
    extensive: bool
    lower: float | None = None
    upper: float | None = None
    low: str | None = None
    difference: tuple[str, str] | None = None
    typical: tuple[float, float] | None = None
    calibration: QuantityCalibration

    @classmethod
    def of(cls, target: Target, calibration: QuantityCalibration) -> "QuantityCard":
        """The card of a target and the calibration of its predictions."""
        column = target.column
        return cls(
            quantity=column.quantity.name,
            theory=column.theory,
            label=column.quantity.label,
            unit=column.quantity.unit,
            extensive=column.quantity.extensive,
            lower=column.quantity.lower,
            upper=column.quantity.upper,
            low=target.low,
            difference=target.difference,
            typical=column.typical,
            calibration=calibration,
        )

    def target(self, name: str) -> Target:
        """The target of the column with this name."""
        quantity = Quantity(
            name=self.quantity,
            label=self.label,
            unit=self.unit,
            extensive=self.extensive,
            lower=self.lower,
            upper=self.upper,
            typical={} if self.typical is None else {self.theory: self.typical},
        )
        return Target(Column(name, quantity, self.theory), self.low, self.difference)


class RouteCard(BaseModel):
    """One route of a ladder, see `ladder.Route`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    share: float
    calibration: QuantityCalibration
    domain: Domain | None


class FirstRung(BaseModel):
    """The bundle that a ladder stands on.

    Args:
        bundle: name of a shipped one, absolute path or URL; never one that leads upwards.
        model_sha256: of its arrays.
        column: of its predictions, that the ladder goes on from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bundle: str
    model_sha256: str
    column: str

    @field_validator("bundle")
    @classmethod
    def _says_where(cls, bundle: str) -> str:
        if not ("://" in bundle or Path(bundle).is_absolute()):
            return require_name(bundle)
        if "\0" in bundle or "::" in bundle or ".." in bundle.replace("\\", "/").split("/"):
            raise ValueError(f"{bundle!r} is no plain path or URL of a bundle")
        return bundle


class Card(BaseModel):
    """What a bundle says about itself.

    Args:
        schema_version: of this class.
        name: of the bundle.
        model: name of the type of model; `cross-fit` of a ladder and its last rung.
        reads: `structures`, or `drawings`.
        kind: `delta` where something is added to low values.
        geometry_level: name of the level of the structures, or `drawing`.
        n_conformers: that structures are chosen from, as at calibration.
        low, high: levels of theory in the names of columns; `low` of the values that are added to,
            `high` empty for measured values.
        zero_point: what energies contain; empty without energies.
        elements: symbols, in the order of the model's arrays.
        quantities: by predicted column, in the order of the table.
        domain: what is inside.
        routes: of a ladder or its last rung.
        first: of a ladder.
        intervals: what they hold for.
        shapes: of the arrays, by name.
        fit: settings and what was chosen.
        data: where labels and structures come from.
        splits, seeds: how molecules were divided, and what decided chance.
        metrics: held-out errors, beside the baselines.
        versions: of what numbers depend on.
        golden: predictions that loading checks again.
        golden_smiles: what they are of, where the model reads drawings.
        model_sha256: of model.safetensors.
        same_as: digests of this bundle with cards of before, which predict the same: campaigns that
            were begun with them go on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SCHEMA_VERSION
    name: str
    model: str
    reads: Literal["structures", "drawings"] = "structures"
    kind: Kind
    geometry_level: str
    n_conformers: int
    low: str | None
    high: str
    zero_point: str
    elements: tuple[str, ...]
    quantities: dict[str, QuantityCard]
    domain: Domain | DrawingDomain
    routes: tuple[RouteCard, ...] = ()
    first: FirstRung | None = None
    intervals: str
    shapes: dict[str, tuple[int, ...]]
    fit: dict[str, Any]
    data: dict[str, Any]
    splits: dict[str, Any]
    seeds: dict[str, Any]
    metrics: dict[str, Any]
    versions: dict[str, str]
    golden: list[dict[str, float | bool | None]]
    golden_smiles: tuple[str, ...] = ()
    model_sha256: str
    same_as: tuple[str, ...] = ()

    @field_validator("geometry_level")
    @classmethod
    def _of_now(cls, name: str) -> str:
        return geometry_level(name)

    def targets(self) -> Targets:
        """What the bundle predicts, from the card alone.

        Raises:
            ConfigError: the columns do not fit each other.
        """
        return Targets(each.target(name) for name, each in self.quantities.items())

    def columns(self) -> dict[str, Column]:
        """The predicted columns, taken apart, by name."""
        return {name: each.target(name).column for name, each in self.quantities.items()}

    def description(self) -> Mapping[str, Any]:
        """What arrays of a model are read with: `elements`, atomic numbers; `extensive` and
        `quantities` of the fitted columns."""
        targets = self.targets()
        return {
            "elements": tuple(number_of(symbol) for symbol in self.elements),
            "extensive": targets.extensive,
            "quantities": targets.names,
        }

    @property
    def given_low(self) -> str | None:
        """The column of low values that have to be given, since no level here computes them."""
        if not self.routes or self.first is not None:
            return None
        low = next(iter(self.quantities.values())).low
        return None if low is None or is_computed(low) else low

    @property
    def needed_values(self) -> tuple[str, ...]:
        """Levels to be computed at the geometries, so that structures have the low values: none
        where the level of the geometries yields them, or they have to be given."""
        low = () if self.given_low is not None else self.targets().low_columns
        return values_from(self.geometry_level, LowValues(low).read, is_given=False) if low else ()


INTERVALS = (
    "90 % of molecules like the calibration set lie within lo90 and hi90, and 68.3 % within one "
    "std; nothing is promised for molecules unlike it. Both are widened among the 5 % smallest and "
    "the 5 % largest predictions, by as much as the calibration set wants there, and beyond the "
    "largest training size by a factor per heavy atom, measured by leaving that size out."
)

CV_PLUS = (
    "Made by CV+ from the whole error of molecules that each fit has not seen: about 90 % of "
    "molecules like those lie within lo90 and hi90, and 68.3 % within one std. Beyond the largest "
    "of them both are widened by a factor per heavy atom, measured by leaving the largest size out."
)


def installed_versions() -> dict[str, str]:
    """Versions of what numbers depend on."""
    return {
        name: version(name)
        for name in ("screener", "qmllib", "torch", "numpy", "scipy", "rdkit", "tblite")
    }
