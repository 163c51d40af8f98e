"""`screener screen`, and the commands that show, rank, explain, compare and verify campaigns.

Progress goes to standard error, results to standard output. The heavy parts are imported by the
commands that use them, so that help and mistakes in options answer at once.
"""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from screener.cli.cluster import Cluster, Scheduler, Workers, cluster_settings
from screener.errors import ConfigError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from distributed import Client

    from screener.campaign.settings.config import CampaignConfig
    from screener.cluster.settings import ClusterSettings

INTERRUPTED = 130  # exit code after ctrl-C

Preset = Annotated[
    str | None, typer.Option(help="Shipped ranking, such as electrolyte-solvent, or a TOML file.")
]
Minimise = Annotated[
    list[str] | None, typer.Option(help="Column whose low values are wanted. Repeatable.")
]
Maximise = Annotated[
    list[str] | None, typer.Option(help="Column whose high values are wanted. Repeatable.")
]
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
By = Annotated[
    str | None,
    typer.Option(
        help="value (default), bound (the worse end of each 90 % interval), probability (of "
        "meeting all objectives), or pareto (fronts)."
    ),
]
Top = Annotated[int | None, typer.Option(help="Molecules in the shortlist (default 100).")]
MaxSimilarity = Annotated[
    float | None,
    typer.Option(
        help="Largest Tanimoto similarity of two molecules in the shortlist: 0.6 (default any)."
    ),
]
PerScaffold = Annotated[
    int | None,
    typer.Option(help="Most molecules of one ring scaffold in the shortlist (default any)."),
]
KnownColumn = Annotated[
    str | None,
    typer.Option(help="Column of yours that is filled for molecules that are known already."),
]
Join = Annotated[
    str | None, typer.Option(help="Table of yours (CSV, Parquet) whose columns can be ranked by.")
]
On = Annotated[
    str | None, typer.Option(help="Column of --join that identifies molecules: inchikey or smiles.")
]
Folder = Annotated[str, typer.Argument(help="Folder or URL of the campaign.")]


def screen(
    library: Annotated[
        str | None, typer.Argument(help="Folder or URL of a library (`screener library build`).")
    ] = None,
    out: Annotated[str | None, typer.Option(help="Folder or URL of the campaign.")] = None,
    config: Annotated[
        str | None, typer.Option(help="TOML file with the configuration; options override it.")
    ] = None,
    preset: Preset = None,
    minimise: Minimise = None,
    maximise: Maximise = None,
    objective: Objectives = None,
    constraint: Constraints = None,
    by: By = None,
    top: Top = None,
    max_similarity: MaxSimilarity = None,
    per_scaffold: PerScaffold = None,
    finalists: Annotated[
        int | None,
        typer.Option(help="Most molecules that enter a later stage (default 5 times --top)."),
    ] = None,
    stages: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated BUNDLE, BUNDLE@LEVEL or LEVEL (default mmff94,gfn2-opt)."
        ),
    ] = None,
    budget: Annotated[
        int | None,
        typer.Option(help="Molecules that the first stage evaluates (default the whole library)."),
    ] = None,
    known_column: KnownColumn = None,
    join: Join = None,
    on: On = None,
    drawing_bundle: Annotated[
        list[str] | None,
        typer.Option(
            help="Bundle that reads drawings, such as one of boiling points: its columns stand "
            "beside those of every stage. Repeatable."
        ),
    ] = None,
    structures: Annotated[
        str | None,
        typer.Option(
            help="Folder or URL where structures are kept, in common for several libraries "
            "(default beside the library)."
        ),
    ] = None,
    reselect: Annotated[
        str | None,
        typer.Option(
            help="Campaign whose settings a new one takes over where no option says otherwise; "
            "structures are used again."
        ),
    ] = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    cluster: Cluster = None,
    estimate: Annotated[
        bool,
        typer.Option("--estimate", help="Measure a sample, say what would run, write nothing."),
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", hidden=True)] = False,
    performance_report: Annotated[
        str | None, typer.Option(help="HTML file for Dask's report of what the workers did.")
    ] = None,
) -> None:
    """Screen a library: predict, choose finalists, predict those better, rank.

    The same command again resumes an interrupted run. An option that is not given keeps the value
    that the campaign was started with; in a new campaign it has its default.
    """
    from screener.campaign.settings.config import CampaignConfig, read_config
    from screener.campaign.settings.renamed import with_new_names

    options = {"--estimate": estimate or None, "--plan": plan or None}
    estimate = bool(with_new_names(options, {"--plan": "--estimate"}, "screen")["--estimate"])
    settings = (read_config(config) if config else CampaignConfig()).with_options(
        library=library,
        out=out,
        stages=stages.split(",") if stages else (),
        finalists=finalists,
        preset=preset,
        objectives=_objectives(minimise, maximise, objective),
        constraints=constraint or (),
        by=by,
        top=top,
        max_similarity=max_similarity,
        per_scaffold=per_scaffold,
        budget=budget,
        known_column=known_column,
        join=join,
        on=on,
        drawing_bundles=drawing_bundle or (),
        structures=structures,
        reselect=reselect,
    )
    if estimate and (scheduler or cluster):
        raise ConfigError(
            "--estimate measures on this machine; leave out --scheduler and --cluster, and say "
            "with --workers how many threads that cluster has"
        )
    if estimate:
        _estimate(settings, workers)
    else:
        where = cluster_settings(cluster, scheduler, workers, config)
        _run(settings, where, performance_report)


def _objectives(
    minimise: list[str] | None, maximise: list[str] | None, objective: list[str] | None
) -> list[str]:
    return [
        *(f"minimise:{column}" for column in minimise or ()),
        *(f"maximise:{column}" for column in maximise or ()),
        *(objective or ()),
    ]


def _estimate(settings: "CampaignConfig", workers: int | None) -> None:
    from dask.system import CPU_COUNT

    from screener.campaign.driver.estimate import estimate
    from screener.cli import show

    show.estimate(estimate(settings, workers or CPU_COUNT))


def _run(
    settings: "CampaignConfig", cluster: "ClusterSettings", performance_report: str | None
) -> None:
    from screener.campaign.driver.run import carry_out
    from screener.campaign.settings.resolve import resolve
    from screener.campaign.settings.stage import Campaign
    from screener.campaign.tasks import WORKER_IMPORTS
    from screener.cli import show
    from screener.cluster.factory import connect
    from screener.execution.performance import reported, require_report_path
    from screener.report.collect import write_report

    require_report_path(performance_report)
    folder, setup = resolve(settings)  # mistakes are reported before a cluster is started
    Campaign(folder, setup).require_writable()
    with (
        connect(cluster, WORKER_IMPORTS) as client,
        reported(client, performance_report),
        show.Display(client.dashboard_link) as display,
    ):
        command = ["screener", *sys.argv[1:]]
        carry_out(folder, setup, client, progress=display.update, command=command)
    write_report(folder)
    show.shortlist(folder, setup)
    show.recall(folder)


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
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object, for programs.")
    ] = False,
) -> None:
    """Show how far a campaign is: progress, rate, time left, quarantine, memory, who runs it."""
    from screener.campaign.results import accounts as account
    from screener.campaign.results import status as campaign_status
    from screener.campaign.settings.stages import absolute
    from screener.cli import show
    from screener.cli import watch as watching
    from screener.stores.files import Folder as Store

    folder = Store(absolute(campaign))
    if as_json and watch:
        raise ConfigError("--json prints how it is now; leave out --watch, or call it repeatedly")
    if as_json:
        balance = account.accounts(folder) if accounts else None
        typer.echo(watching.as_json(campaign_status.status(folder), balance))
        return
    if watch:
        try:
            watching.watch(folder, every)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
    else:
        watching.show(campaign_status.status(folder))
    if accounts:
        show.accounts(account.accounts(folder))


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
) -> None:
    """Rank a finished campaign by other objectives, without computing anything again."""
    from screener.campaign.results.rank import rank_again
    from screener.campaign.settings.config import CampaignConfig
    from screener.campaign.settings.stages import absolute
    from screener.cli import show
    from screener.report.collect import write_report
    from screener.stores.files import Folder as Store

    settings = CampaignConfig().with_options(
        preset=preset,
        objectives=_objectives(minimise, maximise, objective),
        constraints=constraint or (),
        by=by,
        top=top,
        max_similarity=max_similarity,
        per_scaffold=per_scaffold,
        join=join,
        on=on,
    )
    folder = Store(absolute(campaign))
    setup, _ = rank_again(
        folder,
        settings.ranking,
        command=["screener", *sys.argv[1:]],
        known_column=known_column,
        join=settings.join,
        connect=_local_workers,
    )
    write_report(folder)
    show.shortlist(folder, setup)


def explain(
    campaign: Folder,
    name: Annotated[str, typer.Argument(help="A mol_id, InChIKey, id of yours or SMILES.")],
) -> None:
    """Say where a molecule ended and why: values, desirabilities, constraints, domain, alerts."""
    from screener.campaign.results import explain as explaining
    from screener.campaign.settings.stages import absolute
    from screener.stores.files import Folder as Store

    for label, text in explaining.explain(Store(absolute(campaign)), name, _local_workers):
        typer.echo(f"{label}: {text}")


def compare(
    before: Folder, after: Annotated[str, typer.Argument(help="The other campaign.")]
) -> None:
    """Say which molecules entered or left the shortlist from one campaign to another, and why."""
    from screener.campaign.results import compare as comparing
    from screener.campaign.settings.stages import absolute
    from screener.cli import show
    from screener.stores.files import Folder as Store

    folders = Store(absolute(before)), Store(absolute(after))
    show.comparison(comparing.compare(*folders, _local_workers))


def verify(
    folder: Annotated[
        str, typer.Argument(help="Folder or URL of a library, a campaign or structures in common.")
    ],
) -> None:
    """Read every file, compare it with its checksum, and name what is damaged.

    The exit code is 1 if anything is. A campaign that is resumed makes its damaged parts again.
    """
    from screener.campaign.results.verify import verify as damage
    from screener.campaign.settings.stages import absolute
    from screener.stores.files import Folder as Store

    n_damaged = 0
    for line in damage(Store(absolute(folder))):
        n_damaged += 1
        typer.echo(line)
    if n_damaged:
        raise typer.Exit(1)
    typer.echo("every file is as it was written")


def _local_workers() -> "AbstractContextManager[Client]":
    from screener.cluster.factory import connect
    from screener.cluster.settings import LocalSettings

    return connect(LocalSettings())


def register(app: typer.Typer) -> None:
    """Add the commands to the `screener` command."""
    for command in (screen, status, rank, explain, compare, verify):
        app.command()(command)
