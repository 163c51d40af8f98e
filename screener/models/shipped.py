"""The bundles that ship with the package: their names, and which one a level has by default."""

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable

from screener.chemistry.levels import GFN2_OPT, MMFF94

QM9_DIRECT = "qm9-mmff94-direct"
QM9_DELTA = "qm9-gfn2opt-delta"
G4MP2_RUNG = "b3lyp-to-g4mp2"
G4MP2_RUNG_AT_GFN2 = "gfn2opt-b3lyp-to-g4mp2"
G4MP2_LADDER = "gfn2opt-to-g4mp2"
G4MP2_BY_AIMNET2 = "aimnet2opt-to-g4mp2"
ORBITALS_BY_AIMNET2 = "aimnet2opt-to-b3lyp-orbitals"

_ROOT: Traversable = files("screener") / "data" / "bundles"

# by the level of the geometry, in the order of the stages of a campaign that names none
DEFAULT_BUNDLES: Mapping[str, str] = {MMFF94.name: QM9_DIRECT, GFN2_OPT.name: QM9_DELTA}


def shipped_bundles() -> list[str]:
    """Names of the bundles in the package."""
    return sorted(path.name for path in _ROOT.iterdir()) if _ROOT.is_dir() else []


def shipped_folder(name: str) -> str:
    """Path of the folder of a bundle that ships."""
    return str(_ROOT / name)
