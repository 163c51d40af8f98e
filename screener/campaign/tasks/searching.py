"""A search as a worker sees it: the campaign, and the candidates among the rows of `2d`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa

from screener.campaign.settings.plan import StagePlan, Unit
from screener.campaign.settings.setup import Setup
from screener.campaign.settings.stage import Campaign, CampaignStage
from screener.errors import StoreError
from screener.funnel.scoring import TableScorer, learnt
from screener.funnel.settings import SearchSettings
from screener.ranking.columns import inputs_of
from screener.ranking.row_status import candidates_before_prediction
from screener.stores.files import Folder
from screener.stores.library import LibraryStore, open_library

FOLDER = "funnel"  # below the campaign, for everything that a search keeps between tasks


@dataclass(frozen=True, slots=True)
class SearchJob:
    """What a worker has to know about a search; small, travels with every task."""

    campaign: str  # URL
    compute_digest: str


@dataclass(frozen=True, slots=True, eq=False)
class OpenSearch:
    """A search with everything that its tasks share.

    Args:
        campaign: with a funnel.
        settings: of the search.
        drawings: the plan of `2d`.
        quantities: columns that the surrogate learns.
    """

    campaign: Campaign
    settings: SearchSettings
    drawings: StagePlan
    quantities: tuple[str, ...]

    @property
    def folder(self) -> Folder:
        """What the search keeps between tasks."""
        return self.campaign.folder.child(FOLDER)

    @property
    def setup(self) -> Setup:
        """The configuration of the campaign."""
        return self.campaign.setup

    @property
    def drawn(self) -> CampaignStage:
        """The stage `2d`."""
        return self.campaign.searched.previous

    @property
    def library(self) -> LibraryStore:
        """The library that is searched."""
        return open_library(self.setup.library, self.setup.library_digest)

    def scorer(self, known: pa.Table) -> TableScorer:
        """Makes scores of rows of `2d` and what is predicted for them."""
        return TableScorer(known, self.quantities, self.setup.acquisition)

    def units(self, part: range) -> list[Unit]:
        """The units of `2d` at these places."""
        return list(self.drawings.units(part))

    def candidates(
        self, units: Sequence[Unit], *, only_rows: bool = False
    ) -> Iterator[tuple[Unit, pa.Table]]:
        """Of each unit the rows that can be chosen, ascending.

        Args:
            units: of `2d`.
            only_rows: whether `row` and `mol_id` are all that is wanted.
        Yields:
            the unit, and a table with what decides which rows can be chosen and with what the
            acquisition reads besides predictions; at least `row` and `mol_id`.
        """
        settings = self.setup.acquisition
        for unit, stored in zip(units, self.drawn.stored_units(self.drawings, units), strict=True):
            table = stored.predictions
            read = {"row", "mol_id", "in_domain", *inputs_of(settings, table.column_names)}
            table = table.select([name for name in table.column_names if name in read])
            mask = pa.array(candidates_before_prediction(table, settings))
            yield unit, (table.select(["row", "mol_id"]) if only_rows else table).filter(mask)


@lru_cache(maxsize=4)
def open_search(job: SearchJob) -> OpenSearch:
    """The search, opened once per process.

    Raises:
        StoreError: the campaign is not the one that the search was started with.
    """
    campaign = Campaign.open(Folder(job.campaign))
    setup = campaign.setup
    if setup.compute_digest != job.compute_digest or setup.funnel is None:
        raise StoreError(f"the campaign {job.campaign} has changed since the search was started")
    columns = campaign.searched.no_predictions.column_names
    quantities = learnt(setup.acquisition, columns, setup.certain_columns)
    return OpenSearch(campaign, setup.funnel, campaign.searched.previous.plan, quantities)
