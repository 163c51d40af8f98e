"""`screener rankings`, `screener report` and `screener presets`: what a campaign was ranked by."""

from typing import Annotated

import typer

from screener.cli.help import group, shown
from screener.cli.output import AsJson, print_json, say

Campaign = Annotated[str, typer.Argument(help="Folder or URL of the campaign.")]

presets_app = group(
    "List and show the rankings that ship, to be used with --preset.",
    ["screener presets list", "screener presets show electrolyte-solvent"],
)


def register(app: typer.Typer) -> None:
    """Add the commands to the `screener` command."""
    app.command("rankings", epilog=shown(["screener rankings my-campaign"]))(list_rankings)
    app.command(epilog=shown(["screener report my-campaign --ranking small"]))(report)
    app.add_typer(presets_app, name="presets")


def list_rankings(campaign: Campaign, as_json: AsJson = False) -> None:
    """List the rankings of a campaign: what each ranks by, when it was made, which is the main one.

    `screener rank CAMPAIGN --name NAME` shows one, with --main it becomes the main one. `explain`
    and `report` take it by --ranking, `compare` by --before and --after.
    """
    from screener.campaign.results.rankings import rankings
    from screener.campaign.settings.stages import absolute
    from screener.stores.files import Folder

    folder = Folder(absolute(campaign))
    found = [each.as_json() for each in rankings(folder)]
    if as_json:
        print_json(found)
        return
    if not found:
        say("no rankings yet; `screener screen` makes the first one")
    for each in found:
        say(f"{each['name']}{' (the main one)' if each['main'] else ''}")
        made = f", made {each['made']}" if each["made"] else ""
        say(f"  {each['shortlisted']:,} of {each['ranked']:,} ranked molecules{made}")
        say(f"  by {each['by']}: {'; '.join(each['objectives'])}")
        if each["constraints"]:
            say(f"  where {'; '.join(each['constraints'])}")
        say(f"  {folder.url}/{each['folder']}")


def report(
    campaign: Campaign,
    ranking: Annotated[
        str | None, typer.Option(help="Name of a ranking (default the main one).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the report of a ranking again, from what is stored, and say where it lies."""
    from screener.campaign.results.rankings import find_ranking
    from screener.campaign.settings.stages import absolute
    from screener.report.collect import write_report
    from screener.stores.files import Folder

    folder = Folder(absolute(campaign))
    found = find_ranking(folder, ranking)
    path = f"{folder.url}/{write_report(folder, found.name)}"
    if as_json:
        print_json({"ranking": found.name, "main": found.is_main, "report": path})
    else:
        say(path)


@presets_app.command("list", epilog=shown(["screener presets list --json"]))
def list_presets(as_json: AsJson = False) -> None:
    """List the presets: what each is for, its objectives and constraints, and what it needs."""
    from screener.campaign.settings.preset_needs import about_presets

    found = about_presets()
    if as_json:
        print_json([each.as_json() for each in found])
        return
    for place, each in enumerate(found):
        if place:
            say("")
        say(each.name)
        for line in each.lines:
            say(f"  {line}")


@presets_app.command("show", epilog=shown(["screener presets show electrolyte-solvent"]))
def show_preset(
    name: Annotated[str, typer.Argument(help="Name of a preset.")], as_json: AsJson = False
) -> None:
    """Print a preset as a TOML file, which can be saved, changed and given to --preset."""
    from screener.campaign.settings.preset_needs import about_preset
    from screener.ranking.presets import preset_text

    if as_json:
        about = about_preset(name)
        print_json({**about.as_json(), "toml": preset_text(name)})
    else:
        typer.echo(preset_text(name), nl=False)
