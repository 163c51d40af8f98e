"""`screener plugins`: which levels, quantities, models and goals there are, and from where."""

import typer

from screener.cli.help import shown
from screener.cli.output import AsJson, Column, Table, print_json, print_table, say

N_DIGITS = 12  # of a digest, in the table


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("plugins", epilog=shown(["screener plugins"]))(list_plugins)


def list_plugins(as_json: AsJson = False) -> None:
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
        print_json(entries)
        return
    more = [Column("version", rank=1), Column("digest", rank=2)]
    table = Table("group", "name", "package", *more)
    for each in plugins():
        if not each.error:
            digest = each.digest[:N_DIGITS]
            table.add_row(each.group, each.name, each.package, each.version, digest)
    print_table(table)
    for each in plugins():
        if each.error:
            where = f"{each.package} {each.version}".strip()
            say(f"failed: {each.name} of screener.{each.group}, from {where}: {each.error}")
