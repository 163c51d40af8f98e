"""`screener screen`, `status` and `rank`: from options to a campaign, and from its folder to text.

Progress goes to standard error, results to standard output. The heavy parts are imported by the
commands that use them, so that help and mistakes in options answer at once.
"""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from screener.cli.cluster import Cluster, Scheduler, Workers, cluster_settings
from screener.errors import ConfigError

if TYPE_CHECKING:
    from screener.campaign.config import CampaignConfig
    from screener.cluster.settings import ClusterSettings

Preset = Annotated[
    str | None, typer.Option(help="Shipped ranking, such as electrolyte-solvent, or a TOML file.")
]
Minimise = Annotated[list[str] | None, typer.Option(help="Column that should be low. Repeatable.")]
Maximise = Annotated[list[str] | None, typer.Option(help="Column that should be high. Repeatable.")]
Objectives = Annotated[
    list[str] | None,
    typer.Option(
        "--objective",
        help="GOAL:COLUMN[:KEY=NUMBER,...]: target:dipole_b3lyp_debye:target=4. Repeatable.",
    ),
]
Constraints = Annotated[
    list[str] | None,
    typer.Option("--constraint", help="Such as 'n_heavy<=12' or '1<=charge<=2'. Repeatable."),
]
Top = Annotated[int | None, typer.Option(help="Molecules in the shortlist (default 100).")]
KnownColumn = Annotated[
    str | None, typer.Option(help="Own column that is not empty for molecules known already.")
]
Folder = Annotated[str, typer.Argument(help="Folder or URL of the campaign.")]


def screen(
    library: Annotated[
        str | None, typer.Argument(help="Folder or URL of a library (`screener library build`).")
    ] = None,
    out: Annotated[str | None, typer.Option(help="Folder or URL of the campaign.")] = None,
    config: Annotated[
        str | None, typer.Option(help="TOML file; options stand above what it says.")
    ] = None,
    preset: Preset = None,
    minimise: Minimise = None,
    maximise: Maximise = None,
    objective: Objectives = None,
    constraint: Constraints = None,
    top: Top = None,
    finalists: Annotated[
        int | None, typer.Option(help="Rows that enter a later stage (default 5 times --top).")
    ] = None,
    stages: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated BUNDLE, BUNDLE@LEVEL or LEVEL (default mmff94,gfn2-opt)."
        ),
    ] = None,
    known_column: KnownColumn = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    cluster: Cluster = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Measure a sample, say what would run, write nothing.")
    ] = False,
) -> None:
    """Screen a library: predict, choose finalists, predict better, rank.

    The same command again resumes. What is not said is as in the campaign, or the default.
    """
    from screener.campaign.config import CampaignConfig, read_config

    asked = (read_config(config) if config else CampaignConfig()).with_options(
        library=library,
        out=out,
        stages=stages.split(",") if stages else (),
        finalists=finalists,
        preset=preset,
        objectives=_objectives(minimise, maximise, objective),
        constraints=constraint or (),
        top=top,
        known_column=known_column,
    )
    if plan and (scheduler or cluster):
        raise ConfigError(
            "--plan measures on this machine; leave out --scheduler and --cluster, and say with "
            "--workers how many threads that cluster has"
        )
    if plan:
        _plan(asked, workers)
    else:
        _run(asked, cluster_settings(cluster, scheduler, workers, config))


def _objectives(
    minimise: list[str] | None, maximise: list[str] | None, objective: list[str] | None
) -> list[str]:
    return [
        *(f"minimise:{column}" for column in minimise or ()),
        *(f"maximise:{column}" for column in maximise or ()),
        *(objective or ()),
    ]


def _plan(asked: "CampaignConfig", workers: int | None) -> None:
    from dask.system import CPU_COUNT

    from screener.campaign.estimate import estimate
    from screener.cli import show

    show.estimate(estimate(asked, workers or CPU_COUNT))


def _run(asked: "CampaignConfig", cluster: "ClusterSettings") -> None:
    from screener.campaign.resolve import resolve
    from screener.campaign.run import carry_out
    from screener.cli import show
    from screener.cluster.factory import connect
    from screener.report.collect import write_report

    folder, setup = resolve(asked)  # mistakes are told before a cluster is started
    setup.require_writable(folder)
    with connect(cluster) as client, show.Display(client.dashboard_link) as display:
        command = ["screener", *sys.argv[1:]]
        carry_out(folder, setup, client, progress=display.update, command=command)
    write_report(folder)
    show.shortlist(folder, setup)


def status(
    campaign: Folder,
    accounts: Annotated[
        bool, typer.Option("--accounts", help="Show where every row of the library ended.")
    ] = False,
) -> None:
    """Show how far a campaign is: progress, rate, quarantine, time left."""
    from screener.campaign import status as campaign_status
    from screener.campaign.resolve import absolute
    from screener.cli import show
    from screener.stores.files import Folder as Store

    folder = Store(absolute(campaign))
    show.status(campaign_status.status(folder))
    if accounts:
        show.accounts(campaign_status.accounts(folder))


def rank(
    campaign: Folder,
    preset: Preset = None,
    minimise: Minimise = None,
    maximise: Maximise = None,
    objective: Objectives = None,
    constraint: Constraints = None,
    top: Top = None,
    known_column: KnownColumn = None,
) -> None:
    """Rank a finished campaign by other objectives, without computing anything again."""
    from screener.campaign.config import CampaignConfig
    from screener.campaign.rank import rank_again
    from screener.campaign.resolve import absolute
    from screener.cli import show
    from screener.report.collect import write_report
    from screener.stores.files import Folder as Store

    asked = CampaignConfig().with_options(
        preset=preset,
        objectives=_objectives(minimise, maximise, objective),
        constraints=constraint or (),
        top=top,
    )
    folder = Store(absolute(campaign))
    setup, _ = rank_again(
        folder, asked.ranking, command=["screener", *sys.argv[1:]], known_column=known_column
    )
    write_report(folder)
    show.shortlist(folder, setup)


def register(app: typer.Typer) -> None:
    """Add the commands to the `screener` command."""
    for command in (screen, status, rank):
        app.command()(command)
