"""Options that commands about campaigns have in common."""

from typing import Annotated

import typer

Preset = Annotated[
    str | None,
    typer.Option(
        help="Shipped ranking, such as electrolyte-solvent, or a TOML file; "
        "`screener presets list` describes those that ship. Where neither a preset nor objectives "
        "are given, a campaign is ranked as electrolyte-solvent."
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


def objectives_of(
    minimise: list[str] | None, maximise: list[str] | None, objective: list[str] | None
) -> list[str]:
    """Objectives as `--objective` takes them, from all options that name some.

    Args:
        minimise: columns whose low values are wanted.
        maximise: columns whose high values are wanted.
        objective: GOAL:COLUMN[:KEY=NUMBER,...] each.
    Returns:
        all of them as texts.
    """
    return [
        *(f"minimise:{column}" for column in minimise or ()),
        *(f"maximise:{column}" for column in maximise or ()),
        *(objective or ()),
    ]
