"""`screener library enumerate`: candidates from a specification to a file.

Progress goes to standard error, accounts to standard output.
"""

import os
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from screener.cli import coverage
from screener.cli.help import shown
from screener.cli.output import AsJson, plain, print_json, say
from screener.errors import ConfigError, MoleculeError

if TYPE_CHECKING:
    from screener.enumeration.space import Space
    from screener.enumeration.spec import Spec
    from screener.enumeration.stream import Stream, Tally
    from screener.inference.coverage import Coverage
    from screener.inference.domain_share import DomainShare

N_REASONS = 8
LITTLE = 0.5  # share of a set that a model knows, below which --inside is suggested


def register(app: typer.Typer) -> None:
    """Add the command to the `library` commands."""
    examples = [
        "screener library enumerate battery --out mine.smi.gz --limit 9000",
        "screener library enumerate battery --out my.smi --inside qm9-mmff94-direct",
        "screener library enumerate mutations --seeds mine.smi --out near.smi",
    ]
    app.command("enumerate", epilog=shown(examples))(enumerate_candidates)


def enumerate_candidates(
    spec: Annotated[
        str,
        typer.Argument(
            help="A shipped specification (battery, reactions, mutations) or a TOML file of yours."
        ),
    ],
    out: Annotated[
        str, typer.Option(help="File or URL to write: .smi, .smi.gz, .csv, .csv.gz or .parquet.")
    ],
    limit: Annotated[int, typer.Option(min=1, help="Most molecules to write.")] = 1_000_000,
    seed: Annotated[int, typer.Option(help="Seed of the shuffled order.")] = 0,
    seeds: Annotated[
        str | None,
        typer.Option(help="File of molecules to mutate: SMILES, CSV, TSV, also compressed."),
    ] = None,
    elements: Annotated[
        str | None,
        typer.Option(help="Elements, such as H,C,N,O,F,S,P, instead of the specification's."),
    ] = None,
    max_heavy: Annotated[
        int | None, typer.Option(help="Most heavy atoms, instead of the specification's limit.")
    ] = None,
    max_rings: Annotated[
        int | None, typer.Option(help="Most rings, instead of the specification's limit.")
    ] = None,
    inside: Annotated[
        str | None,
        typer.Option(
            help="Name of a bundle: keep only neutral molecules with elements, sizes and bonding "
            "of its training molecules."
        ),
    ] = None,
    domain_sample: Annotated[
        int,
        typer.Option(
            min=0,
            help="Size of a random sample that is made into structures to estimate which share is "
            "inside the models' domains; 0 for none.",
        ),
    ] = 1000,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes (default one per CPU).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make candidates from scaffolds and substituents, from reactions, or by mutation.

    The same specification and seed give the same molecules in the same order, whatever --workers.
    A smaller --limit gives the first molecules of a larger one. The shipped specifications, to copy
    and edit, are in screener/enumeration/sets.
    """
    from screener.enumeration.output import require_new, writing
    from screener.enumeration.space import make_space
    from screener.enumeration.spec import load_spec
    from screener.enumeration.stream import SCHEMA, Stream, beginning

    require_new(out)
    specification = load_spec(spec)
    changes: dict[str, Any] = {"max_heavy": max_heavy, "max_rings": max_rings}
    if elements is not None:
        changes["elements"] = elements.replace(",", " ").split()
    changes = {name: value for name, value in changes.items() if value is not None}
    if changes:
        specification = specification.with_limits(changes)
    if inside is not None:
        specification = _inside(specification, inside)
    space = make_space(specification, spec, _seeds(seeds))
    known = _coverage(beginning(space, seed))
    if not as_json:
        say(_described(space))
        for text in coverage.lines(known, n_rows=None):
            say(text)
        if inside is None and (hint := _hint(known)):
            say(hint)
    n_processes = workers or len(os.sched_getaffinity(0))
    stream = Stream(space, seed=seed, limit=limit, n_processes=n_processes, n_sample=domain_sample)
    started = time.perf_counter()
    with writing(out, SCHEMA) as file, _progress() as progress:
        line = progress.add_task("molecules", total=limit)
        for table in stream:
            file.write(table)
            progress.update(line, advance=len(table))
        if not stream.tally.n_kept:
            raise ConfigError(_nothing(spec, stream.tally))
    seconds = time.perf_counter() - started
    shares = _shares(stream) if domain_sample else []
    if as_json:
        print_json(
            {"out": out, "seconds": seconds, "n_kept": stream.tally.n_kept, "coverage": known}
            | plain(stream.tally)
            | {"inside_domains": [{**plain(each), "interval": each.interval} for each in shares]}
        )
        return
    say(_accounts(stream.tally))
    rate = stream.tally.n_kept / seconds
    say(f"{rate:,.0f} molecules a second on {n_processes} processes")
    if shares:
        _tell_domains(shares)
    say(f"candidates: {out}")


def _coverage(smiles: list[str]) -> "list[Coverage]":
    """How many of the first molecules of a set the shipped models know."""
    from screener.inference.coverage import MOST
    from screener.inference.coverage import coverage as of
    from screener.models.shipped import shipped_bundles

    return of(smiles[:MOST], shipped_bundles()) if smiles else []


def _hint(known: "list[Coverage]") -> str:
    """What to do where the model of a campaign's first stage knows little of a set; empty where it
    knows enough."""
    from screener.models.shipped import QM9_DIRECT

    for each in known:
        if QM9_DIRECT in each.bundles and each.n_inside < LITTLE * each.n_molecules:
            return f"--inside {QM9_DIRECT} makes only molecules that this model can speak about"
    return ""


def _inside(specification: "Spec", bundle: str) -> "Spec":
    """The specification with its limits narrowed to the domain of a bundle.

    Narrowed is what a drawing alone decides: elements, size, charge and the neighbours of atoms.
    """
    from rdkit import Chem

    from screener.models.bundle import read_bundle

    domain = read_bundle(bundle).card.domain
    table = Chem.GetPeriodicTable()
    known = {table.GetElementSymbol(number) for number in domain.elements}
    limits = specification.limits
    return specification.with_limits(
        {
            "elements": [symbol for symbol in limits.elements if symbol in known],
            "max_heavy": min(limits.max_heavy, domain.max_heavy),
            "min_charge": 0,
            "max_charge": 0,
            "coordinations": domain.known_coordinations,
        }
    )


def _seeds(path: str | None) -> list[str]:
    """The SMILES in a file.

    Raises:
        ConfigError: the file or one of its lines cannot be read, or it holds no molecule.
    """
    if path is None:
        return []
    from screener.library.readers import BlankCount, read_records
    from screener.library.sources import find_sources

    smiles = []
    for source in find_sources([path]):
        if source.format in ("sdf", "parquet"):
            raise ConfigError(f"--seeds {path}: give the molecules as SMILES, CSV or TSV")
        for record in read_records(source, None, None, BlankCount()):
            error: MoleculeError | None = record.error
            if error is not None:
                raise ConfigError(f"{path}:{record.line}: {error}") from error
            smiles.append(record.text)
    if not smiles:
        raise ConfigError(f"--seeds {path}: there is no molecule in it")
    return smiles


def _described(space: "Space") -> str:
    draws = "draws without end" if space.n_draws is None else f"{space.n_draws:,} draws"
    text = f"{len(space.templates)} templates in {len(space.families)} families, {draws}"
    if space.left_out:
        text += f"\npassed over, since limits rule them out: {' '.join(space.left_out)}"
    return text


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )


def _nothing(spec: str, tally: "Tally") -> str:
    reasons = ", ".join(f"{reason} ({n:,})" for reason, n in tally.refused.most_common(3))
    return (
        f"{spec}: no molecule is inside the limits; refused: {reasons or 'nothing was made'}. "
        "Widen the limits or edit the sets"
    )


def _accounts(tally: "Tally") -> str:
    beyond = f" + {tally.n_beyond:,} beyond --limit" if tally.n_beyond else ""
    n_refused = sum(tally.refused.values())
    lines = [
        f"{tally.n_made:,} made = {tally.n_kept:,} kept + {tally.n_duplicates:,} duplicates "
        f"+ {n_refused:,} refused{beyond}",
        f"ended: {tally.ended}",
        "kept: " + ", ".join(f"{family} {n:,}" for family, n in tally.kept.most_common()),
    ]
    if n_refused:
        reasons = tally.refused.most_common()
        counts = [f"{reason} {n:,}" for reason, n in reasons[:N_REASONS]]
        if others := sum(n for _, n in reasons[N_REASONS:]):
            counts.append(f"others {others:,}")
        lines.append("refused: " + ", ".join(counts))
    return "\n".join(lines)


def _shares(stream: "Stream") -> "list[DomainShare]":
    from screener.execution.threads import one_thread
    from screener.inference.domain_share import domain_shares

    one_thread()
    return domain_shares(stream.sample.smiles)


def _tell_domains(shares: "list[DomainShare]") -> None:
    n_sample = shares[0].n_sample
    say(f"inside the models' domains, of {n_sample:,} drawn evenly (95 % interval):")
    for share in shares:
        low, high = share.interval
        text = f"{share.n_inside / share.n_sample:.1%} ({low:.1%} to {high:.1%})"
        if share.is_limit:
            text = f"at most {text}, by elements, size and bonding"
        say(f"  {share.bundle:<24} {text}")
