"""`screener screen`.

Progress goes to standard error, results to standard output. The heavy parts are imported by the
commands that use them, so that help and mistakes in options answer at once.
"""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from screener.cli import coverage
from screener.cli.campaign_options import (
    By,
    Constraints,
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
    Top,
    objectives_of,
)
from screener.cli.cluster import Cluster, Scheduler, Workers, cluster_settings
from screener.cli.help import shown
from screener.cli.output import AsJson, print_json, say
from screener.errors import ConfigError

if TYPE_CHECKING:
    from screener.campaign.settings.config import CampaignConfig
    from screener.campaign.settings.setup import Setup
    from screener.cluster.settings import ClusterSettings


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
        objectives=objectives_of(minimise, maximise, objective),
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
    from screener.report.collect import write_reports

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
    write_reports(folder, ranking)
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


def register(app: typer.Typer) -> None:
    """Add the command to the `screener` command."""
    app.command(epilog=shown(_EXAMPLES))(screen)


_EXAMPLES = [
    "screener screen my-library --out my-campaign --estimate",
    "screener screen my-library --out my-campaign --preset electrolyte-solvent",
    "screener screen my-library --out mine --maximise gap_b3lyp_ev --top 20",
]
