"""Ranking the rows that reached the last stage, under a name.

Where rankings lie and how they are called is the business of `screener.campaign.results.rankings`,
how one is made that of `screener.campaign.results.make_ranking`. The campaign's folder holds a copy
of the main one's shortlist. Nothing is predicted here.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from distributed import Client

from screener.campaign.results.invalidate import invalidate
from screener.campaign.results.make_ranking import (
    chosen_otherwise,
    is_whole,
    make_ranking,
    no_rows,
)
from screener.campaign.results.provenance import RANKINGS, Session, read_ranking
from screener.campaign.results.rankings import (
    NamedRanking,
    as_ranked,
    choose_name,
    find_ranking,
    publish,
    read_one,
    take_name,
)
from screener.campaign.results.segments import Connect, workers_of
from screener.campaign.results.totals import StageTotals
from screener.campaign.settings.asked_numbers import require_numbers
from screener.campaign.settings.differences import asked
from screener.campaign.settings.frozen import open_setup
from screener.campaign.settings.known_column import known_column_of
from screener.campaign.settings.ranking import RankingConfig
from screener.campaign.settings.stage import Campaign
from screener.campaign.settings.user_table import JoinConfig, joined_schema, keep_joined, read_join
from screener.errors import ConfigError, DamagedError, StoreError
from screener.ranking.columns import check_columns
from screener.registry.plugins import other_plugins
from screener.stores.files import Folder
from screener.stores.lease import Lease
from screener.stores.library import open_library

log = logging.getLogger(__name__)

WAIT_SECONDS = 20.0  # for another process that changes the main ranking


def rank_again(
    folder: Folder,
    config: RankingConfig,
    *,
    command: Sequence[str],
    name: str | None = None,
    main: bool = False,
    known_column: str | None = None,
    join: JoinConfig | None = None,
    connect: Connect | None = None,
) -> NamedRanking:
    """Rank a finished campaign by other objectives; nothing is computed again.

    No ranking is overwritten, and any number of processes may do this at once.

    Args:
        folder: of the campaign.
        config: what is wanted now; what it does not say is as in the campaign.
        command: what is told as the command that asked.
        name: what the ranking is called; None for the name that it has already, or one made of its
            preset or objectives that no other has. Where nothing but a name is given, it is the
            ranking of that name.
        main: whether it becomes the main ranking, whose shortlist and report lie in the campaign's
            folder.
        known_column: another own column that marks known molecules.
        join: another table of the user's to rank by.
        connect: gives a client whose workers look at the rows of a large last stage; None to look
            at them here, one segment after the other.
    Returns:
        the ranking.
    Raises:
        ConfigError: no campaign, not finished, an unknown column, a name that another ranking has,
            or the main ranking cannot be changed because somebody else works in the campaign.
    """
    before = open_setup(folder)
    if name is not None and config == RankingConfig() and known_column is None and join is None:
        campaign, ranking = as_ranked(folder, name)
        if main and not ranking.is_main:
            with _owned(folder):
                ranking = _made_main(campaign, ranking, command)
        return ranking
    for difference in other_plugins(before.plugins):
        log.warning("%s; what was computed with it is ranked as it is", difference)
    setup = before.model_copy(
        update={
            "ranking": config.settings(before.ranking),
            "known_column": known_column_of(known_column, before.own_columns)
            or before.known_column,
        }
    )
    if join is not None:
        library = open_library(before.library, before.library_digest)
        joined, _ = read_join(join, library)
        for stage in Campaign(folder, before).stages:
            joined_schema(no_rows(stage).schema, joined)
        setup = setup.model_copy(update={"joined": joined})
    campaign = Campaign(folder, setup)
    choose_name(folder, setup, name)  # a name that is taken is told before anything is read
    if setup.joined is not None:
        keep_joined(folder, setup.joined, open_library(setup.library, setup.library_digest))
    try:
        schemas = [no_rows(stage).schema for stage in campaign.stages]
        check_columns(setup.ranking, {name for schema in schemas for name in schema.names})
        require_numbers(setup, setup.ranking, schemas[-1])
        with workers_of(campaign.last, connect) as client:
            ranking = _ranked(campaign, None, name, command, client)
    except DamagedError as error:
        with Lease(folder).held():
            invalidate(campaign, error)
        raise StoreError(
            f"{error}; resume the campaign with `screener screen` to have it made again"
        ) from error
    if main or read_ranking(folder) is None:
        with _owned(folder):
            ranking = _made_main(campaign, ranking, command)
    return ranking


@contextmanager
def _owned(folder: Folder) -> Iterator[None]:
    """Own a campaign, after another process that changes its main ranking at this moment.

    Raises:
        ConfigError: somebody else works in it, and is not done soon.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(Lease(folder).held())
                break
            except ConfigError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        yield


def _made_main(campaign: Campaign, ranking: NamedRanking, command: Sequence[str]) -> NamedRanking:
    """The ranking, after it has become the main one. Only for the owner of the campaign."""
    session = Session(campaign, list(command), n_workers=0)
    publish(campaign.folder, ranking)
    session.write(ranking=ranking.told)
    return replace(ranking, is_main=True)


def rank(
    campaign: Campaign,
    totals: StageTotals | None = None,
    *,
    name: str | None = None,
    main: bool = False,
    command: Sequence[str] = (),
    changed: bool = False,
    client: Client | None = None,
) -> NamedRanking:
    """Rank the rows of the last stage and write the shortlist, as the owner of the campaign.

    The first ranking of a campaign becomes its main one; afterwards only `main` changes which one
    that is. It counts once the caller has written it to `provenance.json`.

    Args:
        campaign: with the ranking that is asked.
        totals: of the last stage's receipts, where the caller has it.
        name: what it is called; None for a name of its own, see `rank_again`.
        main: whether it becomes the main one.
        command: what is told as the command that asked.
        changed: whether units were done since rankings may have been made: this one and the main
            one are made again.
        client: connected, to look at the rows of the last stage on workers where its receipts do
            not tell the best of them; None to do it here.
    Returns:
        the ranking; its `told` is what `ranking.json` says: `name`, `digest`, `objectives`,
        `constraints`, `score` and `score_meaning`, `known_column`, `settings`, `joined`, `counts`
        (rows of the last stage by status), `filtered` (rows by rule), `left_out`, `without_spread`
        (objectives that are the same for all candidates), `shortlisted`, `chosen_by` (objectives
        and constraints that chose the rows of the last stage), `files` (their checksums).
    Raises:
        ConfigError: the last stage is not finished, or another ranking has the name.
    """
    folder = campaign.folder
    ranking = _ranked(campaign, totals, name, command, client, changed=changed)
    before = None if main or read_ranking(folder) is None else find_ranking(folder)
    if before is None or before.path == ranking.path:
        publish(folder, ranking)
        return replace(ranking, is_main=True)
    if changed:
        of_main, _ = as_ranked(folder)
        best_known = StageTotals.of(campaign.last.store.receipts.all(), of_main.setup.ranking.pool)
        make_ranking(of_main, before.path, best_known, client)
        publish(folder, before)
    return ranking


def _first_unfinished(campaign: Campaign) -> str:
    """The name of the stage that a campaign has come to."""
    for stage in campaign.stages[:-1]:
        plan = stage.read_plan()
        if plan is None or sum(1 for _ in stage.store.receipts.all()) < plan.n_units:
            return stage.name
    return campaign.last.name


def _ranked(
    campaign: Campaign,
    totals: StageTotals | None,
    name: str | None,
    command: Sequence[str],
    client: Client | None,
    *,
    changed: bool = False,
) -> NamedRanking:
    """The ranking under its name, made where it is not there yet; arguments as of `rank`."""
    folder, setup = campaign.folder, campaign.setup
    stage = campaign.last
    plan = stage.read_plan()
    if totals is None:
        totals = StageTotals.of(stage.store.receipts.all(), setup.ranking.pool)
    if plan is None or totals.n_units < plan.n_units:
        raise ConfigError(
            f"stage {_first_unfinished(campaign)} of {folder.url} is not finished; resume the "
            "campaign with `screener screen` first"
        )
    place = take_name(folder, setup, name, command)
    path = f"{RANKINGS}/{place}/"
    if changed or not is_whole(folder, path):
        make_ranking(campaign, path, totals, client)
    if chosen_otherwise(campaign):
        log.warning(
            "the rows of stage %s were chosen by other objectives (%s): molecules that these would "
            "have chosen may be missing%s; a new campaign chooses again and reuses all structures",
            setup.stages[-1].name,
            ", ".join(asked(setup.acquisition)["objectives"]),
            ", and the recall that was estimated does not apply" if setup.funnel else "",
        )
    return read_one(folder, place)
