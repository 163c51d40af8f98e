"""What a worker is told of a stage of a campaign."""

from collections.abc import Mapping
from dataclasses import dataclass

from screener.chemistry.structures import StructureSettings
from screener.ranking.between_stages import LaterStage
from screener.ranking.objectives import RankingSettings
from screener.stores.joined import JoinedTable


@dataclass(frozen=True, slots=True)
class EarlierStage:
    """The stage whose predictions stand beside those of a later one.

    Args:
        index: its place in the campaign.
        name: of it.
        settled: by predicted column, the numbers of heavy atoms at which its value counts.
    """

    index: int
    name: str
    settled: Mapping[str, tuple[int, ...]]


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
    later: LaterStage | None = None  # for which the best are chosen by what it may make of them
    earlier: EarlierStage | None = None  # that the predictions are compared with
