"""Carry out a campaign: stage after stage on a Dask cluster, then the ranking.

The truth is in the folder. A unit with a receipt is done and everything else is not, so the same
call again, after any kind of end, does what is missing and gives the same shortlist.
"""

import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from distributed import Client

from screener.campaign.driver.events import EventLog
from screener.campaign.driver.finalists import write_finalists
from screener.campaign.driver.monitor import monitored
from screener.campaign.driver.stage_run import Progress, StageRun
from screener.campaign.results.invalidate import invalidate
from screener.campaign.results.provenance import Session, stage_results, versions
from screener.campaign.results.rank import rank
from screener.campaign.results.rankings import NamedRanking, check_name
from screener.campaign.results.recall import tell_recall
from screener.campaign.results.totals import StageTotals
from screener.campaign.settings.config import CampaignConfig
from screener.campaign.settings.frozen import open_setup, write_setup
from screener.campaign.settings.resolve import require_same, resolve
from screener.campaign.settings.setup import Setup
from screener.campaign.settings.stage import Campaign, CampaignStage
from screener.errors import DamagedError
from screener.stores.files import Folder
from screener.stores.lease import Lease

log = logging.getLogger(__name__)


def run_campaign(
    config: CampaignConfig,
    client: Client,
    *,
    progress: Callable[[Progress], None] | None = None,
    command: Sequence[str] | None = None,
    name: str | None = None,
    main: bool = False,
) -> tuple[Folder, NamedRanking]:
    """Run or resume a campaign to its shortlist.

    Args:
        config: what is asked.
        client: connected; its workers see the library and the campaign at the same URLs.
        progress: called after every unit.
        command: what provenance tells as the command.
        name: what the ranking is called, as in `rank_again`.
        main: whether it becomes the main one; the first always does.
    Returns:
        the campaign's folder and the ranking that was asked.
    Raises:
        ConfigError: it cannot start as asked; nothing is written.
        StoreError: a file cannot be read or written.
        ScreenerError: workers were lost again and again.
    """
    folder, setup = resolve(config)
    return folder, carry_out(
        folder, setup, client, progress=progress, command=command, name=name, main=main
    )


def carry_out(
    folder: Folder,
    setup: Setup,
    client: Client,
    *,
    progress: Callable[[Progress], None] | None = None,
    command: Sequence[str] | None = None,
    name: str | None = None,
    main: bool = False,
) -> NamedRanking:
    """Run or resume a campaign that `resolve` has decided.

    Args:
        folder: of the campaign.
        setup: what `resolve` has decided.
        client: connected; its workers see the library and the campaign at the same URLs.
        progress: called after every unit.
        command: what provenance tells as the command.
        name: what the ranking is called, as in `rank_again`.
        main: whether it becomes the main one; the first always does.
    Returns:
        the ranking that was asked.
    Raises:
        ConfigError: the folder holds another computation, or another ranking has the name.
        StoreError: a file cannot be read or written.
        ScreenerError: workers were lost again and again.
    """
    Campaign(folder, setup).require_writable()
    write_setup(folder, setup)
    frozen = open_setup(folder)
    require_same(folder.url, frozen, setup)  # another client may have been faster
    campaign = Campaign(folder, setup.laid_out_as(frozen))
    check_name(folder, setup, name)
    said = list(command or sys.argv)
    with _session(campaign, client, said) as (lease, events, session):
        is_new = False
        while True:
            try:
                totals: list[StageTotals] = []
                for stage in campaign.stages:
                    for run in _rounds(stage, totals, client, events):
                        run.tell_start(events)
                        for receipt in run.carry_out(client):
                            lease.check()
                            is_new = True
                            events.unit(receipt)
                            if progress is not None:
                                progress(run.progress())
                        if progress is not None:
                            progress(run.progress())
                    run.store.sweep()
                    run.tell_end(events)
                    totals.append(run.totals)
                recall = tell_recall(campaign, client)
                ranking = rank(
                    campaign,
                    totals[-1],
                    name=name,
                    main=main,
                    command=said,
                    changed=is_new,
                    client=client,
                )
                break
            except DamagedError as error:
                log.warning("%s; it is made again", error)
                invalidate(campaign, error)
        events.write(
            "ranked",
            ranking=setup.ranking_digest,
            name=ranking.name,
            shortlisted=ranking.n_shortlisted,
        )
        results: dict[str, Any] = {"recall": recall} if recall else {}
        if ranking.is_main:
            results["ranking"] = ranking.told
        session.write(stages=stage_results(setup, totals), **results)
    return ranking


@contextmanager
def _session(
    campaign: Campaign, client: Client, command: list[str]
) -> Iterator[tuple[Lease, EventLog, Session]]:
    """Own the folder, and tell in it who does so with what."""
    threads = client.nthreads()
    with Lease(campaign.folder).held() as lease, EventLog(campaign.folder) as events:
        session = Session(campaign, command, sum(threads.values()))
        session.write()
        if (before := lease.taken_from) is not None:
            events.write(
                "lease taken over",
                level="WARNING",
                host=before.host,
                pid=before.pid,
                last_sign_of_life=before.last_sign_of_life,
            )
        events.write(
            "started",
            command=command,
            host=socket.gethostname(),
            pid=os.getpid(),
            versions=versions(),
            compute=campaign.setup.compute_digest,
            ranking=campaign.setup.ranking_digest,
            n_workers=len(threads),
            n_threads=sum(threads.values()),
            cluster=None if client.cluster is None else type(client.cluster).__name__,
            scheduler=client.scheduler.address,
            dashboard=client.dashboard_link,
        )
        with monitored(client, events):
            yield lease, events, session


def _rounds(
    stage: CampaignStage, before: list[StageTotals], client: Client, events: EventLog
) -> Iterator[StageRun]:
    """A stage to be carried out: once, or as often as a search has chosen more of its rows.

    Args:
        stage: to be carried out.
        before: of the stages before it, what their receipts add up to.
        client: connected.
        events: the journal.
    """
    if stage.is_searched:
        from screener.campaign.driver.search import CampaignSearch  # it alone needs torch here

        run: StageRun | None = None
        search = CampaignSearch(stage, client, before[-1], events)
        for _ in search.rounds():
            if run is None:
                run = StageRun(stage)
            else:
                run.take_new_batches()
            yield run
        return
    if stage.index > 0:
        write_finalists(stage, before[-1].top.entries, client)
    yield StageRun(stage)
