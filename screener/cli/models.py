"""`screener models list` and `info`: the bundles that ship, and the errors in a bundle's card."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from screener.cli.help import group, shown
from screener.cli.output import AsJson, Column, Table, number, print_json, print_table, say

if TYPE_CHECKING:
    from screener.models.card import Card

app = group(
    "Show the trained models and their held-out errors.",
    ["screener models list", "screener models info qm9-gfn2opt-delta"],
)


@app.command("list", epilog=shown(["screener models list"]))
def list_models(as_json: AsJson = False) -> None:
    """List the bundles that ship with the package."""
    from screener.models.bundle_files import read_card
    from screener.models.shipped import shipped_bundles

    cards = [read_card(name) for name in shipped_bundles()]
    if as_json:
        print_json([_summary(card) for card in cards])
        return
    quantities = Column("quantities", wraps=True)
    table = Table("name", "low", "high", Column("geometry level"), quantities)
    for card in cards:
        low = card.low or ""
        table.add_row(card.name, low, card.high, card.geometry_level, " ".join(card.quantities))
    print_table(table)


@app.command(
    epilog=shown(["screener models info", "screener models info qm9-gfn2opt-delta --json"])
)
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
        print_json(summaries[0] if name else summaries)
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


def errors_json(name_or_path: str) -> dict[str, Any]:
    """What a program is told of a bundle."""
    from screener.models.bundle_files import read_card

    return _summary(read_card(name_or_path))


def print_errors(name_or_path: str) -> None:
    """Print the tables of errors in a bundle's card."""
    from screener.models.bundle_files import read_card

    card = read_card(name_or_path)
    for test, metrics in _flat(card.metrics):
        # the share of labels inside the 90 % intervals, in percent: of all molecules, of the 5 %
        # with the smallest and of the 5 % with the largest predictions; then Spearman's rank
        # correlation of standard deviation and error
        table = Table(
            "quantity",
            number("n", 1),
            number("MAE"),
            number("RMSE"),
            number("in 90 %"),
            number("least", 3),
            number("most", 3),
            number("rank", 2),
            title=f"{card.name}: {test}",
        )
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
        print_table(table)
        say("")


def _flat(metrics: dict[str, Any]) -> Iterator[tuple[str, dict[str, dict[str, float]]]]:
    """The tables of errors in a card by name; a table within another has both names."""
    for name, content in metrics.items():
        values = list(content.values())
        if values and all(isinstance(each, dict) for each in values):
            if all(isinstance(inner, dict) for each in values for inner in each.values()):
                yield from ((f"{name}: {part}", inner) for part, inner in content.items())
            else:
                yield name, content
