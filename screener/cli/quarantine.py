"""`screener quarantine` and `screener library quarantine`: which molecules were set aside, and why.

Results go to standard output, part by part: there may be millions.
"""

import json
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from screener.campaign.results.quarantine import SetAside

N_SHOWN = 10
N_TEXT = 60  # characters of a SMILES in a line

_Id = Annotated[
    list[str] | None,
    typer.Option("--id", help="Only molecules with this id, mol_id or SMILES. Repeatable."),
]
_Out = Annotated[str | None, typer.Option(help="Write all of them to a new .csv or .parquet file.")]
_AsJson = Annotated[bool, typer.Option("--json", help="Print all of them as JSON, for programs.")]


def quarantine(
    campaign: Annotated[str, typer.Argument(help="Folder or URL of a campaign or a library.")],
    name: _Id = None,
    out: _Out = None,
    as_json: _AsJson = False,
) -> None:
    """List the molecules that a campaign or its library set aside, and count the reasons."""
    _list(campaign, name or [], out, as_json)


def library_quarantine(
    library: Annotated[str, typer.Argument(help="Folder or URL of a library.")],
    name: _Id = None,
    out: _Out = None,
    as_json: _AsJson = False,
) -> None:
    """List the molecules that a library set aside, and count the reasons."""
    _list(library, name or [], out, as_json)


def register(app: typer.Typer, library: typer.Typer) -> None:
    """Add the commands to `screener` and to `screener library`."""
    example = "\b\nExamples:\n  screener {0}\n  screener {0} --out set-aside.csv"
    app.command(epilog=example.format("quarantine my-campaign"))(quarantine)
    of_library = example.format("library quarantine my-library")
    library.command("quarantine", epilog=of_library)(library_quarantine)


def _list(url: str, names: list[str], out: str | None, as_json: bool) -> None:
    from screener.campaign.results.quarantine import require_exportable, set_aside_by
    from screener.campaign.settings.stages import absolute
    from screener.errors import ConfigError
    from screener.stores.files import Folder

    if out is not None:
        if names or as_json:
            raise ConfigError("--out writes all of them; leave out --id and --json")
        require_exportable(out)
    set_aside = set_aside_by(Folder(absolute(url)))
    if as_json:
        for text in _as_json(set_aside, names):
            typer.echo(text)
        return
    if names:
        found: set[str] = set()
        for record in _records(set_aside, names):
            found |= {record["source_id"], record["mol_id"], record["smiles_input"]}
            typer.echo(_line(record))
        if missing := [name for name in names if name not in found]:
            raise ConfigError(
                f"nothing that was set aside is called {' or '.join(map(repr, missing))}; give the "
                "id, the mol_id or the SMILES as it stands in the input"
            )
        return
    typer.echo(f"{len(set_aside):,} molecules are set aside")
    for (stage, code), number in set_aside.counts.items():
        typer.echo(f"  {number:>12,}  {stage}: {code}")
    if out is not None:
        set_aside.export(out)
        typer.echo(out)
        return
    for record in islice(_records(set_aside), N_SHOWN):
        typer.echo(_line(record))
    if len(set_aside) > N_SHOWN:
        typer.echo(f"the first {N_SHOWN} of {len(set_aside):,}; --out FILE or --json gives all")


def _records(set_aside: "SetAside", names: list[str] | None = None) -> "Iterator[dict[str, Any]]":
    for table in set_aside.tables(names or []):
        for batch in table.to_batches(max_chunksize=1024):
            yield from batch.to_pylist()


def _line(record: dict[str, Any]) -> str:
    """One molecule in a line; the input's text may hold anything, and goes to a terminal."""
    place = f"{record['source']}:{record['line']}" if record["source"] else f"row {record['row']}"
    name = "" if record["source_id"] == place else f"{record['source_id']!a} "
    text = record["smiles_input"] or ""
    shown = ascii(text if len(text) <= N_TEXT else f"{text[:N_TEXT]}...")
    return f"{name}({place}) {record['stage']}: {record['code']}: {record['message']} {shown}"


def _as_json(set_aside: "SetAside", names: list[str]) -> "Iterator[str]":
    """One JSON object, some lines at a time."""
    counts = [
        {"stage": stage, "code": code, "molecules": number}
        for (stage, code), number in set_aside.counts.items()
    ]
    yield f'{{"set_aside": {len(set_aside)},\n"counts": {json.dumps(counts)},\n"molecules": ['
    before = ""
    for record in _records(set_aside, names):
        if before:
            yield f"{before},"
        before = json.dumps(record, ensure_ascii=False)
    yield f"{before}\n]}}"
