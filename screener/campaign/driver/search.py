"""A search in a campaign: the stage `2d` is what it chooses from, and workers ask its surrogate.

Every batch is written down before its first task, so a campaign that is resumed goes on with the
batches that are there and chooses the next one as it would have been chosen.
"""

import logging
from collections.abc import Iterator

import pyarrow as pa
from distributed import Client

from screener.campaign.driver.candidates import CampaignCandidates
from screener.campaign.driver.events import EventLog
from screener.campaign.results.totals import StageTotals
from screener.campaign.settings.batches import audit_of, is_audit, with_audit
from screener.campaign.settings.stage import CampaignStage
from screener.errors import ConfigError
from screener.funnel.search import Batch, Search
from screener.ranking.row_status import emptied_by

log = logging.getLogger(__name__)


class CampaignSearch:
    """The search of a campaign whose stage `2d` is finished.

    Args:
        stage: whose rows are searched for.
        client: connected.
        drawings: what the receipts of `2d` add up to.
        events: the journal.
    Raises:
        ConfigError: `2d` lets nobody pass, or too few for what the budget is divided into.
    """

    def __init__(
        self, stage: CampaignStage, client: Client, drawings: StageTotals, events: EventLog
    ) -> None:
        setup = stage.setup
        assert setup.funnel is not None
        n_candidates = drawings.counts["candidates"]
        if n_candidates == 0:
            why = emptied_by(drawings.counts, drawings.filtered, setup.acquisition)
            raise ConfigError(f"no molecule is left to search among: {why}")
        if n_candidates < setup.funnel.budget:
            log.warning(
                "%d molecules are left to choose from, fewer than the budget of %d",
                n_candidates,
                setup.funnel.budget,
            )
        self._store, self._events = stage.store, events
        self._candidates = CampaignCandidates(stage, client, n_candidates)
        self._search = Search(self._candidates, setup.funnel, n_candidates)
        self._batches = list(map(_read, self._store.read_batches()))
        self._n_told = 0

    def rounds(self) -> Iterator[None]:
        """Yields whenever rows are there to be evaluated; they have to be before it goes on."""
        if self._batches:
            yield
        while not self._batches or self._batches[-1].audit is None:
            self._tell()
            batch = self._search.ask()
            assert batch is not None  # an audit is the last
            number = len(self._batches)
            self._store.write_batch(_table(batch), number)
            self._events.write(
                "batch chosen",
                stage=self._store.stage,
                number=number,
                n_rows=len(batch.rows),
                is_audit=batch.audit is not None,
            )
            self._batches.append(batch)
            yield

    def _tell(self) -> None:
        """Tell the search what became of the batches that it does not know the scores of."""
        for number in range(self._n_told, len(self._batches)):
            batch = self._batches[number]
            self._search.tell(batch, self._candidates.scores(number, batch.rows))
        self._n_told = len(self._batches)


def _table(batch: Batch) -> pa.Table:
    table = pa.table({"row": pa.array(batch.rows, pa.int64())})
    return table if batch.audit is None else with_audit(table, batch.audit)


def _read(table: pa.Table) -> Batch:
    return Batch(table["row"].to_numpy(), audit_of(table) if is_audit(table) else None)
