"""Where every row of the library ended, stage by stage; nothing is lost or counted twice.

Read from the folder alone: receipts, batches, the library's manifest and the current ranking. It
can be asked while the campaign runs, on any machine.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from screener.campaign.results.provenance import read_ranking
from screener.campaign.results.totals import StageTotals
from screener.campaign.settings.stage import Campaign, CampaignStage
from screener.stores.files import Folder
from screener.stores.library import LibraryStore


@dataclass(frozen=True, slots=True)
class StageAccount:
    """What became of the rows that entered a stage; `n_in` is the sum of all others."""

    name: str
    n_in: int
    passed: int  # to the next stage, or to the shortlist
    filtered: Mapping[str, int]  # by rule
    not_selected: int
    out_of_domain: int
    quarantined: int
    not_done: int  # entered, and the campaign is not that far
    outside: Mapping[str, int] = field(default_factory=dict)  # out of domain by reason, most first

    @property
    def is_balanced(self) -> bool:
        """Whether the parts add up to what came in."""
        parts = self.passed + self.not_selected + self.out_of_domain + self.quarantined
        return self.n_in == parts + self.not_done + sum(self.filtered.values())


@dataclass(frozen=True, slots=True)
class Accounts:
    """Where everything that was read ended."""

    n_read: int  # records of the inputs
    n_isomers_added: int  # where one record became several rows
    n_kept: int
    n_duplicates: int
    n_quarantined: int  # by the library
    stages: tuple[StageAccount, ...]
    final: Mapping[str, int] = field(default_factory=dict)  # state -> rows of the library

    @property
    def is_balanced(self) -> bool:
        """Whether nothing is lost or counted twice."""
        return (
            self.n_read + self.n_isomers_added
            == self.n_kept + self.n_duplicates + self.n_quarantined
            and all(stage.is_balanced for stage in self.stages)
            and self.n_kept == self.stages[0].n_in == sum(self.final.values())
            and all(
                before.passed == after.n_in
                for before, after in zip(self.stages, self.stages[1:], strict=False)
            )
        )


def accounts(folder: Folder, name: str | None = None) -> Accounts:
    """Where every row ended.

    Args:
        folder: of the campaign.
        name: of the ranking that decides about the rows of the last stage; None for the main one.
    Raises:
        ConfigError: the folder holds no campaign, or it has no such ranking.
        StoreError: the library or a receipt cannot be read.
    """
    campaign = Campaign.open(folder)
    totals = LibraryStore.open(campaign.setup.library).manifest.totals
    ranking: Mapping[str, Any] | None
    if name is None:
        ranking = read_ranking(folder)
    else:  # what else knows of rankings takes seconds to be there
        from screener.campaign.results.rankings import find_ranking

        ranking = find_ranking(folder, name).told
    entered = campaign.setup.n_rows
    stages: list[StageAccount] = []
    for stage in campaign.stages:
        stages.append(_account(stage, entered, ranking))
        entered = stages[-1].passed
    final: dict[str, int] = {}
    for account in stages:
        ends = {
            "quarantined": account.quarantined,
            "out of domain": account.out_of_domain,
            "filtered": sum(account.filtered.values()),
            "not selected": account.not_selected,
            "not done": account.not_done,
        }
        final |= {f"{account.name}: {state}": n for state, n in ends.items()}
    final["shortlisted"] = stages[-1].passed
    return Accounts(
        n_read=totals.read,
        n_isomers_added=totals.isomers_added,
        n_kept=totals.kept,
        n_duplicates=totals.duplicates,
        n_quarantined=totals.quarantined,
        stages=tuple(stages),
        final=final,
    )


def _account(stage: CampaignStage, entered: int, ranking: Mapping[str, Any] | None) -> StageAccount:
    """The account of one stage.

    Args:
        stage: of the campaign.
        entered: how many rows the stage before has passed on.
        ranking: the one that is asked about; None before there is one.
    """
    totals = StageTotals.of(stage.store.receipts.all(), stage.k)
    counts, filtered = dict(totals.counts), dict(totals.filtered)
    passed, are_chosen = 0, False
    if stage.is_last and ranking is not None:
        counts, filtered = ranking["counts"], ranking["filtered"]
        passed, are_chosen = ranking["shortlisted"], True
    elif not stage.is_last and (following := stage.next.read_plan()) is not None:
        passed, are_chosen = following.n_rows, not following.is_open
    # candidates wait for the choice while there is none
    waiting = 0 if are_chosen else counts.get("candidates", 0)
    return StageAccount(
        name=stage.name,
        n_in=entered,
        passed=passed,
        filtered=filtered,
        not_selected=counts.get("candidates", 0) - passed - waiting,
        out_of_domain=counts.get("out_of_domain", 0),
        quarantined=counts.get("quarantined", 0),
        not_done=entered - counts.get("in", 0) + waiting,
        outside=dict(totals.outside.most_common()),
    )
