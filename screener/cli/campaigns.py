"""The commands that show, rank, explain, compare and verify campaigns that are there."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from screener.cli.campaign_options import (
    By,
    Constraints,
    Folder,
    Join,
    KnownColumn,
    Main,
    Maximise,
    MaxSimilarity,
    Minimise,
    Name,
    Objectives,
    On,
    PerScaffold,
    Preset,
    Ranking,
    Top,
    objectives_of,
)
from screener.cli.help import shown
from screener.cli.output import AsJson, print_json, say
from screener.errors import ConfigError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from distributed import Client

    from screener.campaign.results.accounts import Accounts
    from screener.stores.files import Folder as Store

INTERRUPTED = 130  # exit code after ctrl-C


def status(
    campaign: Folder,
    accounts: Annotated[
        bool, typer.Option("--accounts", help="Show where every row of the library ended.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Keep showing it until the shortlist is written.")
    ] = False,
    every: Annotated[
        float, typer.Option(min=0.1, help="Seconds between two looks with --watch.")
    ] = 2.0,
    as_json: AsJson = False,
) -> None:
    """Show how far a campaign is: progress, rate, time left, quarantine, memory, who runs it."""
    from screener.campaign.results import status as campaign_status
    from screener.campaign.settings.stages import absolute
    from screener.cli import show
    from screener.cli import watch as watching
    from screener.stores.files import Folder as Store

    folder = Store(absolute(campaign))
    if as_json and watch:
        raise ConfigError("--json prints how it is now; leave out --watch, or call it repeatedly")
    if as_json:
        balance = _accounts(folder) if accounts else None
        print_json(watching.as_json(campaign_status.status(folder), balance))
        return
    if watch:
        try:
            watching.watch(folder, every)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
    else:
        watching.show(campaign_status.status(folder))
    if accounts:
        show.accounts(_accounts(folder))


def _accounts(folder: "Store") -> "Accounts":
    from screener.campaign.results.accounts import accounts

    return accounts(folder)


def rank(
    campaign: Folder,
    preset: Preset = None,
    minimise: Minimise = None,
    maximise: Maximise = None,
    objective: Objectives = None,
    constraint: Constraints = None,
    by: By = None,
    top: Top = None,
    max_similarity: MaxSimilarity = None,
    per_scaffold: PerScaffold = None,
    known_column: KnownColumn = None,
    join: Join = None,
    on: On = None,
    name: Name = None,
    main: Main = False,
    as_json: AsJson = False,
) -> None:
    """Rank a finished campaign by other objectives, without computing anything again.

    Other rankings stay as they are; `screener rankings CAMPAIGN` lists them. With a name and no
    other option it shows the ranking of that name, and makes it the main one with --main.
    """
    from screener.campaign.results.rank import rank_again
    from screener.campaign.settings.config import CampaignConfig
    from screener.campaign.settings.stages import absolute
    from screener.cli import show
    from screener.report.collect import write_report
    from screener.stores.files import Folder as Store

    settings = CampaignConfig().with_options(
        preset=preset,
        objectives=objectives_of(minimise, maximise, objective),
        constraints=constraint or (),
        by=by,
        top=top,
        max_similarity=max_similarity,
        per_scaffold=per_scaffold,
        join=join,
        on=on,
    )
    folder = Store(absolute(campaign))
    ranking = rank_again(
        folder,
        settings.ranking,
        command=["screener", *sys.argv[1:]],
        name=name,
        main=main,
        known_column=known_column,
        join=settings.join,
        connect=_local_workers,
    )
    write_report(folder, ranking.name)
    if as_json:
        print_json(show.shortlist_json(folder, ranking))
    else:
        show.shortlist(folder, ranking)


def explain(
    campaign: Folder,
    name: Annotated[
        str,
        typer.Argument(
            help="A mol_id, InChIKey, id of yours or SMILES, or a known molecule by its name, "
            "abbreviation or CAS number."
        ),
    ],
    ranking: Ranking = None,
    as_json: AsJson = False,
) -> None:
    """Say where a molecule ended and why: values, desirabilities, constraints, domain, alerts."""
    from screener.campaign.results import explain as explaining
    from screener.campaign.settings.stages import absolute
    from screener.stores.files import Folder as Store

    told = explaining.explain(Store(absolute(campaign)), name, _local_workers, ranking)
    if as_json:
        print_json(told.as_json())
        return
    for label, text in told.lines:
        say(f"{label}: {text}")


def compare(
    before: Folder,
    after: Annotated[
        str | None,
        typer.Argument(help="The other campaign (default the same, to compare two rankings)."),
    ] = None,
    ranking_before: Annotated[
        str | None, typer.Option("--before", help="Ranking of BEFORE (default the main one).")
    ] = None,
    ranking_after: Annotated[
        str | None, typer.Option("--after", help="Ranking of AFTER (default the main one).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say which molecules entered or left from one shortlist to another, and why.

    Two campaigns are compared, or with --before or --after two rankings of one.
    """
    from screener.campaign.results import compare as comparing
    from screener.campaign.settings.stages import absolute
    from screener.cli import show
    from screener.stores.files import Folder as Store

    if after is None and ranking_before == ranking_after:
        raise ConfigError(
            "give another campaign, or another ranking of this one with --after; "
            f"`screener rankings {before}` lists them"
        )
    folders = Store(absolute(before)), Store(absolute(after or before))
    changes = comparing.compare(
        *folders, _local_workers, ranking_before=ranking_before, ranking_after=ranking_after
    )
    if as_json:
        print_json(changes)
    else:
        show.comparison(changes)


def verify(
    folder: Annotated[
        str, typer.Argument(help="Folder or URL of a library, a campaign or structures in common.")
    ],
    as_json: AsJson = False,
) -> None:
    """Read every file, compare it with its checksum, and name what is damaged.

    The exit code is 1 if anything is. A campaign that is resumed makes its damaged parts again.
    """
    from screener.campaign.results.verify import verify as damage
    from screener.campaign.settings.stages import absolute
    from screener.stores.files import Folder as Store

    damaged = []
    for line in damage(Store(absolute(folder))):
        damaged.append(line)
        if not as_json:
            say(line)
    if as_json:
        print_json({"folder": folder, "damaged": damaged})
    elif not damaged:
        say("every file is as it was written")
    if damaged:
        raise typer.Exit(1)


def _local_workers() -> "AbstractContextManager[Client]":
    from screener.cluster.factory import connect
    from screener.cluster.settings import LocalSettings

    return connect(LocalSettings())


def register(app: typer.Typer) -> None:
    """Add the commands to the `screener` command."""
    for command, examples in _EXAMPLES.items():
        app.command(epilog=shown(examples))(command)


_EXAMPLES: dict[Callable[..., None], list[str]] = {
    status: ["screener status my-campaign --accounts"],
    rank: [
        "screener rank my-campaign --maximise lumo_b3lyp_ev --constraint 'n_heavy<=8'",
        "screener rank my-campaign --minimise n_heavy --top 20 --name small",
        "screener rank my-campaign --name small --main",
    ],
    explain: [
        "screener explain my-campaign 'O=C1OCCO1'",
        "screener explain my-campaign 'ethylene carbonate'",
    ],
    compare: [
        "screener compare my-campaign other-campaign",
        "screener compare my-campaign --after small",
    ],
    verify: ["screener verify my-campaign"],
}
