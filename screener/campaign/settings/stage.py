"""A campaign and its stages as objects: a folder, the frozen configuration, and what follows.

Everything that works on a stage, from the driver to the report, is handed one `CampaignStage` and
asks it where its results lie, which rows it has, what a worker is told of it and what its
neighbours are. Nothing is kept that may change: plans and receipts are read when they are asked
for.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screener.campaign.settings.batches import is_audit
from screener.campaign.settings.between import later_stage
from screener.campaign.settings.frozen import open_setup
from screener.campaign.settings.job import EarlierStage, StageJob
from screener.campaign.settings.plan import StagePlan, Unit, segment_name
from screener.campaign.settings.setup import Setup, Stage
from screener.errors import StoreError
from screener.funnel.recall import N_STRATA
from screener.ranking.between_stages import LaterStage, without_rows_of_earlier
from screener.ranking.objectives import RankingSettings
from screener.stores.files import Folder, digest
from screener.stores.joined import JoinedTable
from screener.stores.library import open_library
from screener.stores.predictions import PredictionStore, StoredUnit
from screener.stores.runs import rows_of, with_rows
from screener.stores.stored_columns import StoredColumns
from screener.structures.recipe import Recipe

if TYPE_CHECKING:
    from screener.ranking.row_status import RowStatus

IntArray = NDArray[np.int64]

SEARCHED = 1  # place of the stage whose rows a search chooses, after `2d`


@dataclass(frozen=True, slots=True, eq=False)
class Campaign:
    """A campaign in a folder.

    Args:
        folder: of the campaign.
        setup: its configuration; where it is ranked again, with the ranking that is asked.
    """

    folder: Folder
    setup: Setup

    @classmethod
    def open(cls, folder: Folder) -> "Campaign":
        """The campaign that is frozen in a folder.

        Raises:
            ConfigError: the folder holds no campaign.
        """
        return cls(folder, open_setup(folder))

    @property
    def stages(self) -> tuple["CampaignStage", ...]:
        """All stages, in order."""
        return tuple(CampaignStage(self, index) for index in range(len(self.setup.stages)))

    @property
    def last(self) -> "CampaignStage":
        """The stage whose rows are ranked."""
        return self.stages[-1]

    @property
    def searched(self) -> "CampaignStage":
        """The stage whose rows a search chooses, in a campaign with a funnel."""
        return self.stages[SEARCHED]

    @property
    def joined(self) -> JoinedTable | None:
        """The user's table, as it is kept with the campaign."""
        joined = self.setup.joined
        return None if joined is None else JoinedTable(self.folder, joined.digest, joined.key)

    def with_setup(self, setup: Setup) -> "Campaign":
        """The same folder with another configuration, such as another ranking."""
        return Campaign(self.folder, setup)

    def require_writable(self) -> None:
        """See beforehand whether results and structures could be written.

        Raises:
            StoreError: they cannot.
        """
        for each in (self.folder, *(stage.structures for stage in self.stages)):
            each.require_writable()


@dataclass(frozen=True, slots=True, eq=False)
class CampaignStage:
    """One stage of a campaign.

    Args:
        campaign: that it belongs to.
        index: its place there, from 0.
    """

    campaign: Campaign
    index: int

    @property
    def folder(self) -> Folder:
        """Of the campaign."""
        return self.campaign.folder

    @property
    def setup(self) -> Setup:
        """The configuration of the campaign."""
        return self.campaign.setup

    @property
    def settings(self) -> Stage:
        """The configuration of the stage itself."""
        return self.setup.stages[self.index]

    @property
    def name(self) -> str:
        """Names its folders."""
        return self.settings.name

    @property
    def is_last(self) -> bool:
        """Whether its rows are ranked."""
        return self.index == len(self.setup.stages) - 1

    @property
    def is_searched(self) -> bool:
        """Whether its rows are searched for while it runs."""
        return self.setup.funnel is not None and self.index == SEARCHED

    @property
    def is_drawn(self) -> bool:
        """Whether it reads drawings alone and predicts nothing: the stage `2d`."""
        return self.settings.geometry is None

    @property
    def previous(self) -> "CampaignStage":
        """The stage before.

        Raises:
            IndexError: there is none.
        """
        if self.index == 0:
            raise IndexError(f"no stage comes before {self.name}")
        return CampaignStage(self.campaign, self.index - 1)

    @property
    def next(self) -> "CampaignStage":
        """The stage that follows.

        Raises:
            IndexError: there is none.
        """
        if self.is_last:
            raise IndexError(f"no stage follows {self.name}")
        return CampaignStage(self.campaign, self.index + 1)

    @property
    def n_chosen(self) -> int:
        """How many of the best of the stage before enter at most."""
        n_rows = self.setup.n_rows
        return n_rows if self.settings.rows is None else min(self.settings.rows, n_rows)

    @property
    def n_audit(self) -> int:
        """How many others enter, to tell how many of the best are not among those chosen."""
        if self.setup.funnel is None or self.index <= SEARCHED:
            return 0
        return max(N_STRATA, round(self.setup.funnel.audit * self.n_chosen))

    @property
    def n_entering(self) -> int:
        """How many rows enter at most."""
        return min(self.n_chosen + self.n_audit, self.setup.n_rows)

    @property
    def k(self) -> int:
        """How many of its best are wanted: by the next stage, or for the shortlist."""
        if self.is_last:
            return self.setup.ranking.pool
        return 1 if self.next.is_searched else self.next.n_chosen

    @property
    def status_settings(self) -> RankingSettings:
        """What decides what becomes of its rows: the ranking at the last stage, otherwise the
        acquisition, which chooses the rows of the next."""
        return self.setup.ranking if self.is_last else self.setup.acquisition

    def row_status(self, table: pa.Table, settings: RankingSettings) -> "RowStatus":
        """The status of rows of this stage.

        Args:
            table: (n,) rows of its tables.
            settings: what is asked.
        Returns:
            see `RowStatus`; at `2d` without scores.
        """
        # SciPy, as Zarr below, takes a while to be there, and who asks how far a campaign is
        # needs neither
        from screener.ranking.row_status import row_status, row_status_before_prediction

        find = row_status_before_prediction if self.is_drawn else row_status
        return find(table, settings)

    @property
    def store(self) -> PredictionStore:
        """Its predictions."""
        return PredictionStore(self.folder, self.name, self.campaign.joined)

    @property
    def structures(self) -> Folder:
        """Where its structures are kept, or the library's features at `2d`."""
        from screener.structures.recipe_store import store_of

        setup, settings = self.setup, self.settings
        if settings.geometry is None:
            return Folder(setup.library).child(f"features/{settings.structures_digest}")
        return store_of(self.recipe, Folder(setup.structures_root)).folder

    @property
    def recipe(self) -> Recipe:
        """How its structures are made; not at `2d`."""
        assert self.settings.geometry is not None
        return Recipe.from_drawing(self.settings.geometry, self.setup.versions)

    @property
    def job(self) -> StageJob:
        """What a worker is told of it."""
        setup, settings = self.setup, self.settings
        return StageJob(
            campaign=self.folder.url,
            library=setup.library,
            library_digest=setup.library_digest,
            stage=settings.name,
            bundle=settings.bundle,
            bundle_digest=settings.bundle_digest,
            drawing_bundles=tuple((each.bundle, each.digest) for each in settings.drawing_bundles),
            geometry=settings.geometry,
            structures=self.structures.url,
            versions=tuple(setup.versions.items()),
            wall_clock_seconds=settings.wall_clock_seconds,
            own_columns=tuple(setup.own_columns.items()),
            acquisition=setup.acquisition,
            joined=None if setup.acquired_by_joined is None else self.campaign.joined,
            k=self.k,
            later=self._later,
            earlier=self._earlier,
        )

    @property
    def judges_again(self) -> bool:
        """Whether its rows were predicted by the stage before."""
        return self.index > 0 and not self.previous.is_drawn

    @property
    def later_stage(self) -> LaterStage:
        """What the cards say of how this stage may differ from the one before, which it judges
        again."""
        from screener.models.bundle_files import read_card

        return later_stage(*(read_card(each.settings.bundle) for each in (self.previous, self)))

    @property
    def _later(self) -> LaterStage | None:
        setup = self.setup
        is_known = setup.weighs_stages and setup.acquisition.by == "value"
        if self.is_last or self.is_drawn or not is_known:
            return None
        return self.next.later_stage

    @property
    def _earlier(self) -> EarlierStage | None:
        if not (self.judges_again and self.setup.weighs_stages):
            return None
        before = self.previous
        return EarlierStage(before.index, before.name, self.later_stage.settled)

    @property
    def digest(self) -> str:
        """Part of the names of its units."""
        stage = self.settings.model_dump(mode="json", exclude={"rows", "segment_units"})
        return digest({"library": self.setup.library_digest, "stage": stage})

    @property
    def no_predictions(self) -> pa.Table:
        """The columns of its predictions without a row, and without those of the user's table.

        Raises:
            StoreError: the library or a bundle is another one than when the campaign was started.
        """
        # models take seconds to be there, and most who open a campaign only read what it left
        from screener.inference.table import no_predictions
        from screener.models.bundle import open_bundle

        job = self.job
        table = no_predictions(
            open_library(job.library, job.library_digest),
            open_bundle(job.bundle, job.bundle_digest),
            self.setup.own_columns,
            self.settings.value_columns,
            [open_bundle(*each) for each in job.drawing_bundles],
        )
        return table if job.earlier is None else without_rows_of_earlier(table)

    def read_plan(self) -> StagePlan | None:
        """Its plan as it is now; None while its rows are not chosen yet.

        Raises:
            StoreError: the chosen rows cannot be read.
        """
        settings = self.settings
        if settings.rows is None:
            return StagePlan.whole(
                self.digest, self.setup.n_rows, settings.unit_rows, settings.segment_units
            )
        if self.is_searched:
            batches = self.store.read_batches()
        else:
            batches = [batch for batch in [self.store.read_batch()] if batch is not None]
        if not batches:
            return None
        return StagePlan.chosen(
            self.digest,
            [rows_of(batch["row"]) for batch in batches],
            settings.unit_rows,
            settings.segment_units,
            is_open=self.is_searched and not is_audit(batches[-1]),
        )

    @property
    def plan(self) -> StagePlan:
        """The plan of a stage whose rows are chosen.

        Raises:
            StoreError: they are not.
        """
        plan = self.read_plan()
        if plan is None:
            raise StoreError(f"the rows of stage {self.name} are not chosen yet")
        return plan

    def n_units_expected(self, plan: StagePlan) -> int:
        """Units of its plan, with those of the batches that may still be chosen."""
        if not plan.is_open or self.setup.funnel is None:
            return plan.n_units
        left = self.setup.funnel.sizes(self.setup.n_rows)[len(plan.batches) :]
        return plan.n_units + sum(-(-n_rows // plan.unit_rows) for n_rows in left)

    def stored(self, rows: IntArray | None = None) -> Iterator[StoredUnit]:
        """What is stored of its units, in the order of the plan.

        Args:
            rows: int64 (n,), ascending: only the units that hold any of these; None for all.
        Raises:
            DamagedError: a file is missing or broken; StoreError: a unit is not done.
        """
        plan = self.plan
        return self.stored_units(plan, plan.units() if rows is None else plan.holding(rows))

    def stored_units(self, plan: StagePlan, units: Iterable[Unit]) -> Iterator[StoredUnit]:
        """What is stored of some units of its plan, in the order asked for; errors as `stored`."""
        return self.store.stored(plan.storage_keys(units))

    def stored_segment(self, number: int) -> Iterator[StoredUnit]:
        """What is stored of the units of one segment of its plan; errors as `stored`."""
        plan = self.plan
        return self.stored_units(plan, plan.segment(number))

    def segment_columns(self, number: int) -> Iterator[StoredColumns]:
        """What is stored of one segment of its plan, for reading some columns; errors as
        `stored`."""
        name = segment_name(number)
        units = () if self.store.receipts.is_compacted(name) else self.plan.segment(number)
        return self.store.columns(name, [unit.name for unit in units])

    def tables(self, rows: IntArray | None = None) -> Iterator[pa.Table]:
        """Its predictions, unit by unit in the order of the plan.

        Args:
            rows: int64 (n,), ascending: only these; None for all.
        Raises:
            DamagedError: a file is missing or broken; StoreError: a unit is not done.
        """
        for unit in self.stored(rows):
            table = unit.predictions
            yield table if rows is None else with_rows(table, rows)
