"""`screener models list` and `info`: the bundles that ship, and the errors in a bundle's card."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from screener.models.card import Card

app = typer.Typer(help="Show the trained models and their held-out errors.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List the bundles that ship with the package."""
    from screener.models.bundle_files import read_card
    from screener.models.shipped import shipped_bundles

    cards = [read_card(name) for name in shipped_bundles()]
    if as_json:
        typer.echo(json.dumps([_summary(card) for card in cards], indent=1))
        return
    table = Table("name", "low", "high", "geometry level", "quantities")
    for card in cards:
        low = card.low or ""
        table.add_row(card.name, low, card.high, card.geometry_level, " ".join(card.quantities))
    Console().print(table)


@app.command()
def info(
    name: Annotated[str | None, typer.Argument(help="A bundle's name or folder.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print the held-out errors of one bundle, or of all that ship, from their cards."""
    from screener.models.bundle_files import read_card
    from screener.models.shipped import shipped_bundles

    names = [name] if name else shipped_bundles()
    if as_json:
        summaries = [_summary(read_card(each)) for each in names]
        typer.echo(json.dumps(summaries[0] if name else summaries, indent=1))
        return
    for each in names:
        print_errors(each)


def _summary(card: "Card") -> dict[str, Any]:
    return {
        "name": card.name,
        "low": card.low,
        "high": card.high,
        "geometry_level": card.geometry_level,
        "metrics": card.metrics,
    }


def print_errors(name_or_path: str) -> None:
    """Print the tables of errors in a bundle's card."""
    from screener.models.bundle_files import read_card

    card = read_card(name_or_path)
    for test, metrics in _flat(card.metrics):
        # the share of labels inside the 90 % intervals, in percent: of all molecules, of the 5 %
        # with the smallest and of the 5 % with the largest predictions; then Spearman's rank
        # correlation of standard deviation and error
        columns = ("in 90 %", "least", "most", "rank")
        table = Table("quantity", "n", "MAE", "RMSE", *columns, title=f"{card.name}: {test}")
        for quantity, values in metrics.items():
            if "mae" not in values:
                continue
            shares = (values.get(f"coverage90{part}") for part in ("", "_least", "_most"))
            ranked = values.get("spearman_std_error")
            table.add_row(
                quantity,
                f"{values['n']:.0f}",
                f"{values['mae']:.3f}",
                f"{values['rmse']:.3f}",
                *("" if share is None else f"{100 * share:.1f}" for share in shares),
                "" if ranked is None else f"{ranked:.2f}",
            )
        Console().print(table)


def _flat(metrics: dict[str, Any]) -> Iterator[tuple[str, dict[str, dict[str, float]]]]:
    """The tables of errors in a card by name; a table within another has both names."""
    for name, content in metrics.items():
        values = list(content.values())
        if values and all(isinstance(each, dict) for each in values):
            if all(isinstance(inner, dict) for each in values for inner in each.values()):
                yield from ((f"{name}: {part}", inner) for part, inner in content.items())
            else:
                yield name, content
