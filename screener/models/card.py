"""The card of a bundle: everything about a model that is not an array, as JSON."""

from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, field_validator

from screener.models.predictor import Kind, QuantityCalibration
from screener.models.uncertainty.domain import Domain
from screener.stores.paths import require_name

SCHEMA_VERSION = 2

GeometryLevel = Literal["mmff94", "gfn2-opt", "b3lyp"]

ZERO_POINT_G4MP2 = (
    "ae0_g4mp2_kcal is free atoms minus molecule at 0 K; the molecule's energy contains the "
    "harmonic zero-point energy of B3LYP/6-31G(2df,p) scaled by 0.9854. ae0_b3lyp_kcal contains it "
    "unscaled, de_gfn2_kcal not at all, so the learned differences contain what is missing."
)
ZERO_POINT = {
    "direct": (
        "ae0_b3lyp_kcal is free atoms minus molecule at 0 K; the molecule's energy contains the "
        "unscaled harmonic zero-point energy of B3LYP/6-31G(2df,p)."
    ),
    "delta": (
        "ae0_b3lyp_kcal is free atoms minus molecule at 0 K; the molecule's energy contains the "
        "unscaled harmonic zero-point energy of B3LYP/6-31G(2df,p). de_gfn2_kcal contains no "
        "zero-point energy, so the learned difference contains it."
    ),
}


class QuantityCard(BaseModel):
    """One predicted quantity."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: str
    extensive: bool
    low: str | None  # column of the low value that a delta is added to
    derived: bool  # made from other quantities, not fitted
    calibration: QuantityCalibration


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
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bundle: str
    model_sha256: str

    @field_validator("bundle")
    @classmethod
    def _says_where(cls, bundle: str) -> str:
        if not ("://" in bundle or Path(bundle).is_absolute()):
            return require_name(bundle)
        if "\0" in bundle or "::" in bundle or ".." in bundle.replace("\\", "/").split("/"):
            raise ValueError(f"{bundle!r} is no plain path or URL of a bundle")
        return bundle


class Card(BaseModel):
    """What a bundle says about itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SCHEMA_VERSION
    name: str
    model: str  # one of `forms.FORMS`
    kind: Kind
    geometry_level: GeometryLevel
    n_conformers: int
    low: Literal["gfn2", "b3lyp"] | None
    high: Literal["b3lyp", "g4mp2"]
    zero_point: str
    elements: tuple[str, ...]
    quantities: dict[str, QuantityCard]
    domain: Domain
    routes: tuple[RouteCard, ...] = ()  # of a ladder or its last rung
    first: FirstRung | None = None  # of a ladder
    intervals: str  # what they hold for
    fit: dict[str, Any]  # settings and what was chosen
    data: dict[str, Any]  # where labels and structures come from
    splits: dict[str, Any]
    seeds: dict[str, Any]
    metrics: dict[str, Any]  # held-out errors, beside the baselines
    versions: dict[str, str]
    golden: list[dict[str, float | bool | None]]  # predictions that loading checks again
    model_sha256: str  # of model.safetensors


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
