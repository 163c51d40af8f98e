"""`screener plugins`: which levels, quantities, models and goals there are, and from where."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

N_DIGITS = 12  # of a digest, in the table


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("plugins")(list_plugins)


def list_plugins(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List levels, quantities, model types and goals, from which package, and what failed."""
    from screener.registry.plugins import plugins

    if as_json:
        entries = [
            {
                "group": f"screener.{each.group}",
                "name": each.name,
                "package": each.package,
                "version": each.version,
                "digest": each.digest,
                "error": each.error,
            }
            for each in plugins()
        ]
        typer.echo(json.dumps(entries, indent=1))
        return
    table = Table("group", "name", "package", "version", "digest")
    for each in plugins():
        if not each.error:
            digest = each.digest[:N_DIGITS]
            table.add_row(each.group, each.name, each.package, each.version, digest)
    console = Console()
    console.print(table)
    for each in plugins():
        if each.error:
            where = f"{each.package} {each.version}".strip()
            console.print(
                f"failed: {each.name} of screener.{each.group}, from {where}: {each.error}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
