"""Which plug-ins a campaign uses: levels, model types, quantities and goals of other packages."""

from collections.abc import Iterable, Sequence
from typing import Any

from screener.campaign.settings.setup import Setup, Stage
from screener.models.card import Card
from screener.ranking.columns import inputs_of
from screener.ranking.objectives import RankingSettings
from screener.registry.columns import columns
from screener.registry.plugins import GROUPS, plugin_of, registered, signature

Used = dict[str, dict[str, str]]


def used_plugins(
    stages: Sequence[Stage], cards: Iterable[Card], rankings: Iterable[RankingSettings]
) -> Used:
    """The plug-ins behind what a campaign computes and ranks by.

    Args:
        stages: tell the levels.
        cards: of the bundles, tell quantities and types of models.
        rankings: tell goals, and the quantities of their columns.
    Returns:
        by group and name: package, version and digest; nothing of what is our own.
    """
    names: dict[str, set[str]] = {group: set() for group in GROUPS}
    for stage in stages:
        if stage.geometry is not None:
            names["levels"].update(stage.geometry.settings)
    read: set[str] = set()
    for card in cards:
        read.update(card.quantities)
        if card.model in registered("models"):
            names["models"].add(card.model)
    for ranking in rankings:
        names["objectives"].update(each.goal for each in ranking.objectives)
        read.update(inputs_of(ranking, ()))
    names["quantities"] = {columns()[name].quantity.name for name in read if name in columns()}
    signatures = {
        group: {name: signature(group, name) for name in sorted(of_group)}
        for group, of_group in names.items()
    }
    used = {
        group: {name: text for name, text in of_group.items() if text}
        for group, of_group in signatures.items()
    }
    return {group: of_group for group, of_group in used.items() if of_group}


def told(setup: Setup) -> list[dict[str, Any]]:
    """The plug-ins of a campaign as provenance tells them, with their whole digests."""
    return [
        {
            "group": f"screener.{group}",
            "name": name,
            "package": plugin.package,
            "version": plugin.version,
            "digest": plugin.digest,
        }
        for group, of_group in setup.plugins.items()
        for name in of_group
        for plugin in [plugin_of(group, name)]
    ]
