"""The rankings of a campaign by name, and which of them is the main one.

A ranking lies in `rankings/<name>/`: `asked.json`, the shortlist's files, `known.parquet` where
molecules are marked as known, its report and, written last, `ranking.json` with the settings and
counts. `asked.json` takes the name: it is created exclusively and says what was asked, so that of
two processes that want one name for different rankings one gets it, and of two that make the same
ranking both write the same bytes. The main ranking is the one whose shortlist and report lie in the
campaign's folder as well; `provenance.json` tells which it is.

Campaigns of earlier versions have folders named by a digest instead, without `asked.json`. They are
read, and called by what they rank by.
"""

import difflib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from screener.campaign.results.not_ranked import no_shortlist
from screener.campaign.results.provenance import RANKING as FILE
from screener.campaign.results.provenance import RANKINGS, main_path, now
from screener.campaign.results.shortlist import FILES, LEGEND
from screener.campaign.settings.frozen import read_setup
from screener.campaign.settings.setup import Setup
from screener.campaign.settings.stage import Campaign
from screener.campaign.settings.user_table import Joined
from screener.errors import ConfigError, ScreenerError
from screener.ranking.naming import default_name, not_taken, require_ranking_name
from screener.ranking.objectives import RankingSettings
from screener.ranking.score_meaning import ScoreMeaning, meaning_of
from screener.stores.files import Folder, to_json

log = logging.getLogger(__name__)

ASKED = "asked.json"


@dataclass(frozen=True, slots=True)
class NamedRanking:
    """One ranking that was made.

    Args:
        name: that it is called by.
        path: its folder below the campaign's, ends in '/'.
        is_main: whether its shortlist lies in the campaign's folder as well.
        settings: what it ranks by.
        told: what its `ranking.json` says.
        made: when it was asked for, UTC, ISO 8601; empty for those of earlier versions.
        command: that asked for it.
    """

    name: str
    path: str
    is_main: bool
    settings: RankingSettings
    told: Mapping[str, Any]
    made: str
    command: tuple[str, ...]

    @property
    def n_ranked(self) -> int:
        """Molecules that have a score."""
        return int(self.told["counts"].get("candidates", 0))

    @property
    def n_shortlisted(self) -> int:
        """Molecules in its shortlist."""
        return int(self.told["shortlisted"])

    @property
    def meaning(self) -> ScoreMeaning:
        """What its score is."""
        return meaning_of(self.settings)

    def as_json(self) -> dict[str, Any]:
        """What programs are told."""
        return {
            "name": self.name,
            "main": self.is_main,
            "by": self.settings.by,
            "objectives": [each.text for each in self.settings.objectives],
            "constraints": [each.text for each in self.settings.constraints],
            "top": self.settings.top,
            "score": self.meaning.name,
            "score_meaning": self.meaning.sentence,
            "made": self.made or None,
            "command": list(self.command),
            "ranked": self.n_ranked,
            "shortlisted": self.n_shortlisted,
            "folder": self.path.rstrip("/"),
        }


def rankings(folder: Folder) -> tuple[NamedRanking, ...]:
    """The rankings of a campaign that are finished: the main one, then the others as they came.

    Args:
        folder: of the campaign.
    Raises:
        ConfigError: the folder holds no campaign.
        StoreError: the folder cannot be read.
    """
    Campaign.open(folder)
    main = main_path(folder)
    made: list[NamedRanking] = []
    former: list[NamedRanking] = []
    for place in folder.folders(RANKINGS):
        path = f"{RANKINGS}/{place}/"
        if not folder.exists(path + FILE):
            continue  # it is being made, or its process was killed
        try:
            one = _read(folder, path, place, is_main=path == main)
        except (ScreenerError, KeyError, TypeError) as error:
            log.warning("%s/%s is passed over: %s", folder.url, path.rstrip("/"), error)
            continue
        (made if one.made else former).append(one)
    names = {each.name for each in made}
    for one in former:
        name = not_taken(default_name(one.settings), names)
        names.add(name)
        made.append(replace(one, name=name))
    return tuple(sorted(made, key=lambda each: (not each.is_main, each.made, each.name)))


def find_ranking(folder: Folder, name: str | None = None) -> NamedRanking:
    """A ranking of a campaign.

    Args:
        folder: of the campaign.
        name: what it is called, or the name of its folder; None for the main one.
    Raises:
        ConfigError: no campaign, one without a shortlist, or no ranking of this name; names those
            that there are.
    """
    known = rankings(folder)
    if name is None:
        main = next((each for each in known if each.is_main), None)
        if main is None:
            raise ConfigError(no_shortlist(folder))
        return main
    for each in known:
        if name in (each.name, each.path.split("/")[1]):
            return each
    names = [each.name for each in known]
    if not names:
        raise ConfigError(no_shortlist(folder))
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? There are" if near else "there are"
    raise ConfigError(f"{folder.url} has no ranking called {name!r}; {hint} {', '.join(names)}")


def as_ranked(folder: Folder, name: str | None = None) -> tuple[Campaign, NamedRanking]:
    """A campaign with one of its rankings.

    Args:
        folder: of the campaign.
        name: of the ranking; None for the main one.
    Raises:
        ConfigError: as of `find_ranking`.
    """
    ranking = find_ranking(folder, name)
    campaign = Campaign.open(folder)
    setup = campaign.setup
    joined = ranking.told.get("joined")
    return (
        campaign.with_setup(
            setup.model_copy(
                update={
                    "ranking": ranking.settings,
                    "known_column": ranking.told.get("known_column", setup.known_column),
                    "joined": joined and Joined.model_validate(joined),
                }
            )
        ),
        ranking,
    )


def check_name(folder: Folder, setup: Setup, name: str | None) -> None:
    """Refuse a name before anything is computed.

    Args:
        folder: of the campaign, which may not have been begun.
        setup: the campaign with the ranking.
        name: that is asked for; None where none is.
    Raises:
        ConfigError: the name belongs to another ranking, or cannot be a name.
    """
    if name is not None:
        require_ranking_name(name)
        if read_setup(folder) is not None:
            choose_name(folder, setup, name)


def choose_name(folder: Folder, setup: Setup, name: str | None) -> str:
    """The folder below `rankings/` that a ranking has, or is to get; takes nothing yet.

    Args:
        folder: of the campaign.
        setup: the campaign with the ranking.
        name: that is asked for; None for the one that the ranking has, or for a new one.
    Returns:
        the name of the folder.
    Raises:
        ConfigError: the name belongs to another ranking, or cannot be a name.
    """
    known = rankings(folder)
    same = [each for each in known if each.told["digest"] == setup.ranking_digest]
    if name is None:
        if same:
            return same[0].path.split("/")[1]
        taken = {each.name for each in known}
        for place in folder.folders(RANKINGS):
            digest = _asked_in(folder, place)
            if digest == setup.ranking_digest:  # of a process that was killed, or is still at it
                return place
            if digest is not None:  # a folder is there before it is taken
                taken.add(place)
        return not_taken(default_name(setup.ranking), taken)
    require_ranking_name(name)
    for each in same:
        if each.name == name:
            return each.path.split("/")[1]
    for each in known:
        if name == each.name:
            raise _taken(folder, name, ", ".join(each.told["objectives"]))
    return name


def take_name(folder: Folder, setup: Setup, name: str | None, command: Sequence[str]) -> str:
    """A name for a ranking, which nobody else has or gets: its folder below `rankings/`.

    Args:
        folder: of the campaign.
        setup: the campaign with the ranking.
        name: that is asked for; None for one that is free.
        command: that asks.
    Returns:
        the name of the folder.
    Raises:
        ConfigError: the name belongs to another ranking, or cannot be a name.
    """
    while True:
        place = choose_name(folder, setup, name)
        path = f"{RANKINGS}/{place}/"
        if folder.exists(path + FILE) and not folder.exists(path + ASKED):
            return place  # of an earlier version, and the same ranking
        asked = {"digest": setup.ranking_digest, "made": now(), "command": list(command)}
        if folder.create_bytes(path + ASKED, to_json(asked)):
            return place
        if _asked_in(folder, place) == setup.ranking_digest:
            return place
        if name is not None:
            raise _taken(folder, name, "something else, and is not finished")


def publish(folder: Folder, ranking: NamedRanking) -> None:
    """Copy a shortlist to the campaign's folder, where that of the main ranking lies.

    Only for the owner of the campaign.
    """
    for name in (*FILES, LEGEND):
        if folder.exists(ranking.path + name):
            folder.write_bytes(name, folder.read_bytes(ranking.path + name))
        else:  # rankings of earlier versions have no legend
            folder.remove(name)


def read_one(folder: Folder, place: str) -> NamedRanking:
    """A ranking that is finished, by its folder below `rankings/`."""
    path = f"{RANKINGS}/{place}/"
    return next(each for each in rankings(folder) if each.path == path)


def _asked_in(folder: Folder, place: str) -> str | None:
    """The digest of the ranking that a folder below `rankings/` was taken for."""
    path = f"{RANKINGS}/{place}/{ASKED}"
    asked = folder.read_json(path) if folder.exists(path) else {}
    return asked.get("digest")


def _taken(folder: Folder, name: str, what: str) -> ConfigError:
    return ConfigError(
        f"{folder.url} has a ranking called {name!r} already, which ranks by {what}; give another "
        "--name, or leave it out. Nothing was changed"
    )


def _read(folder: Folder, path: str, name: str, *, is_main: bool) -> NamedRanking:
    told = folder.read_json(path + FILE)
    asked = folder.read_json(path + ASKED) if folder.exists(path + ASKED) else {}
    one = NamedRanking(
        name=name,
        path=path,
        is_main=is_main,
        settings=RankingSettings.from_mapping(told["settings"], f"{folder.url}/{path}{FILE}"),
        told=told,
        made=str(asked.get("made", "")),
        command=tuple(map(str, asked.get("command", ()))),
    )
    _ = (one.n_ranked, one.n_shortlisted, told["digest"], told["objectives"])  # all must be there
    return one
