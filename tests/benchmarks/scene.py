"""What the benchmarks work on: molecules, a folder, one worker."""

import itertools
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd
from distributed import Client

from screener.campaign.settings.job import StageJob
from screener.campaign.settings.plan import StagePlan
from screener.campaign.settings.stage_structures import unit_rows
from screener.chemistry.standardise import StandardiseSettings
from screener.chemistry.structures import StructureSettings
from screener.library_build.build import build_library
from screener.ranking.objectives import RankingSettings, parse_objective
from screener.stores.library import LibraryStore
from screener.structures.recipe import installed


def evenly(values: list[str], n: int) -> list[str]:
    """At most n of them, evenly spread."""
    n = min(n, len(values))
    return [values[i * len(values) // n] for i in range(n)]


@dataclass
class Scene:
    """One worker of one thread, and a sample of molecules."""

    client: Client
    folder: Path
    smiles: list[str]  # as given
    _numbers: itertools.count = field(default_factory=itertools.count)

    def sample(self, n: int) -> list[str]:
        """At most n of the molecules, evenly spread."""
        return evenly(self.smiles, n)

    def new_folder(self) -> str:
        """The URL of a folder that does not exist yet."""
        return str(self.folder / f"{next(self._numbers):04d}")

    def build(self, smiles: list[str]) -> LibraryStore:
        """A library of these molecules, by the real thing."""
        file = Path(self.new_folder() + ".csv")
        pd.DataFrame({"smiles": smiles}).to_csv(file, index=False)
        return build_library([str(file)], self.new_folder(), StandardiseSettings(), self.client)


@dataclass(frozen=True)
class Stage:
    """A stage of a campaign, as far as its unit tasks need one."""

    scene: Scene
    library: LibraryStore
    geometry: StructureSettings
    bundle: str = ""
    bundle_digest: str = ""

    @cached_property
    def molecules(self) -> list[tuple[str, str]]:
        """SMILES and mol_id of every row."""
        table = self.library.read_range(0, self.library.n_rows, ["smiles", "mol_id"])
        return list(zip(*(table[name].to_pylist() for name in ("smiles", "mol_id")), strict=True))

    @property
    def plan(self) -> StagePlan:
        """Units of the size that campaigns have."""
        return StagePlan.whole(
            "benchmark", self.library.n_rows, unit_rows(self.geometry.seconds, 10**9), 128
        )

    def job(self, structures: str) -> StageJob:
        """What a worker is told, with structures and predictions in folders of their own."""
        return StageJob(
            campaign=self.scene.new_folder(),
            library=self.library.folder.url,
            library_digest=self.library.digest,
            stage="benchmark",
            bundle=self.bundle,
            bundle_digest=self.bundle_digest,
            drawing_bundles=(),
            geometry=self.geometry,
            structures=structures,
            versions=tuple(installed().items()),
            wall_clock_seconds=60.0,
            own_columns=(),
            joined=None,
            acquisition=RankingSettings(
                objectives=(parse_objective("maximise:lumo_b3lyp_ev"),), top=100
            ),
            k=100,
        )
