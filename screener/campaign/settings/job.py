"""What a worker is told of a stage of a campaign."""

from dataclasses import dataclass

from screener.chemistry.structures import StructureSettings
from screener.ranking.objectives import RankingSettings
from screener.stores.joined import JoinedTable


@dataclass(frozen=True, slots=True)
class StageJob:
    """What a worker has to know about a stage; small, travels with every task."""

    campaign: str  # URL
    library: str  # URL
    library_digest: str
    stage: str
    bundle: str  # name or path, the same on every worker
    bundle_digest: str
    drawing_bundles: tuple[tuple[str, str], ...]  # name or path and digest of further bundles
    geometry: StructureSettings | None  # None where molecules are drawings
    structures: str  # URL of the structure store, or of the features
    versions: tuple[tuple[str, str], ...]  # of the packages that decide structures
    wall_clock_seconds: float
    own_columns: tuple[tuple[str, str], ...]  # the caller's columns: name in the library, and here
    acquisition: RankingSettings
    joined: JoinedTable | None  # if the acquisition reads it
    k: int  # how many of the unit's best its receipt tells
