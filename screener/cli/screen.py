"""`screener screen`, and the commands that show, rank, explain, compare and verify campaigns.

Progress goes to standard error, results to standard output. The heavy parts are imported by the
commands that use them, so that help and mistakes in options answer at once.
"""

import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from screener.cli import coverage
from screener.cli.cluster import Cluster, Scheduler, Workers, cluster_settings
from screener.cli.help import shown
from screener.cli.output import AsJson, print_json, say
from screener.errors import ConfigError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from distributed import Client

    from screener.campaign.results.accounts import Accounts
    from screener.campaign.settings.config import CampaignConfig
    from screener.campaign.settings.setup import Setup
    from screener.cluster.settings import ClusterSettings
    from screener.stores.files import Folder as Store

INTERRUPTED = 130  # exit code after ctrl-C

Preset = Annotated[
    str | None,
    typer.Option(
        help="Shipped ranking, such as electrolyte-solvent, or a TOML file; "
        "`screener presets list` describes those that ship."
    ),
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
Name = Annotated[
    str | None,
    typer.Option(
        help="Name of the ranking (default after its preset or objectives). Others stay as they "
        "are."
    ),
]
Main = Annotated[
    bool,
    typer.Option(
        "--main",
        help="Make it the main ranking, whose shortlist and report lie in the campaign's folder.",
    ),
]
Ranking = Annotated[str | None, typer.Option(help="Name of a ranking (default the main one).")]
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
    name: Name = None,
    main: Main = False,
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
    as_json: AsJson = False,
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
        _estimate(settings, workers, as_json)
    else:
        where = cluster_settings(cluster, scheduler, workers, config)
        _run(settings, where, performance_report, name, main=main, as_json=as_json)


def _objectives(
    minimise: list[str] | None, maximise: list[str] | None, objective: list[str] | None
) -> list[str]:
    return [
        *(f"minimise:{column}" for column in minimise or ()),
        *(f"maximise:{column}" for column in maximise or ()),
        *(objective or ()),
    ]


def _estimate(settings: "CampaignConfig", workers: int | None, as_json: bool) -> None:
    from dask.system import CPU_COUNT

    from screener.campaign.driver.estimate import estimate
    from screener.campaign.settings.resolve import resolve
    from screener.cli import show

    _tell_coverage(resolve(settings)[1])
    needs = estimate(settings, workers or CPU_COUNT)
    if as_json:
        print_json({**asdict(needs), "seconds": needs.seconds, "n_bytes": needs.n_bytes})
    else:
        show.estimate(needs)


def _run(
    settings: "CampaignConfig",
    cluster: "ClusterSettings",
    performance_report: str | None,
    name: str | None,
    *,
    main: bool,
    as_json: bool,
) -> None:
    from screener.campaign.driver.run import carry_out
    from screener.campaign.results.rankings import check_name
    from screener.campaign.settings.resolve import resolve
    from screener.campaign.settings.stage import Campaign
    from screener.campaign.tasks import WORKER_IMPORTS
    from screener.cli import show
    from screener.cluster.factory import connect
    from screener.execution.performance import reported, require_report_path
    from screener.report.collect import write_report

    require_report_path(performance_report)
    folder, setup = resolve(settings)  # mistakes are reported before a cluster is started
    check_name(folder, setup, name)
    Campaign(folder, setup).require_writable()
    _tell_coverage(setup)
    with (
        connect(cluster, WORKER_IMPORTS) as client,
        reported(client, performance_report),
        show.Display(client.dashboard_link) as display,
    ):
        command = ["screener", *sys.argv[1:]]
        ranking = carry_out(
            folder,
            setup,
            client,
            progress=display.update,
            command=command,
            name=name,
            main=main,
        )
    write_report(folder)
    if not ranking.is_main:
        write_report(folder, ranking.name)
    if as_json:
        print_json(show.shortlist_json(folder, ranking))
    else:
        show.shortlist(folder, ranking)
        show.recall(folder)


def _tell_coverage(setup: "Setup") -> None:
    """How many molecules of the library the models of the campaign can speak about."""
    from screener.stores.library import open_library

    bundles = [stage.bundle for stage in setup.stages]
    bundles += [each.bundle for stage in setup.stages for each in stage.drawing_bundles]
    library = open_library(setup.library, setup.library_digest)
    for line in coverage.lines(coverage.of_library(library, bundles), library.n_rows):
        say(line, Console(stderr=True))


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

    told = explaining.explanation(Store(absolute(campaign)), name, _local_workers, ranking)
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
    screen: [
        "screener screen my-library --out my-campaign --estimate",
        "screener screen my-library --out my-campaign --preset electrolyte-solvent",
        "screener screen my-library --out mine --maximise gap_b3lyp_ev --top 20",
    ],
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
