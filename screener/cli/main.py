"""The `screener` command and its exit codes.

An error that the user can correct prints one message and ends with exit code 2, and an interrupt
prints one line that says how to go on and ends with 130. Any other exception is a bug and shows its
traceback.
"""

import logging
import sys
from importlib.metadata import version

import typer
from rich.console import Console
from rich.logging import RichHandler

from screener.cli import (
    campaigns,
    evaluate,
    library,
    models,
    plugins,
    quarantine,
    rankings,
    screen,
    train,
)
from screener.cli import enumerate as enumeration
from screener.cli.help import group
from screener.cli.json_lines import JsonLines
from screener.errors import ScreenerError

app = group(
    "Screen libraries of molecules for batteries.",
    [
        "screener library build candidates.smi --out my-library",
        "screener screen my-library --out my-campaign",
        "screener status my-campaign",
        "screener --install-completion",
    ],
    name="screener",
    add_completion=True,
)
enumeration.register(library.app)
quarantine.register(app, library.app)
app.add_typer(library.app, name="library")
app.add_typer(models.app, name="models")
screen.register(app)
campaigns.register(app)
rankings.register(app)
train.register(app)
evaluate.register(app)
plugins.register(app)


# by the words of a command: what an interrupt leaves, and how to go on
AFTER_INTERRUPT = {
    ("screen",): "the same command goes on where this one was",
    ("library", "build"): "the same command goes on where this one was",
    ("library", "compact"): "the same command goes on where this one was",
    ("library", "convert"): "the same command goes on where this one was",
    ("library", "enumerate"): "no file was written; the same command begins again",
    ("labels",): "the same command goes on where this one was",
    ("train",): "the same command goes on where this one was",
    ("evaluate",): "the same command uses the structures that are made",
    ("rank",): "the same command ranks again, and nothing was computed that is lost",
}
NOTHING_LOST = "nothing was changed"


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"screener {version('screener')}")
        raise typer.Exit


@app.callback()
def _configure(
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Log each unit."),
    log_json: bool = typer.Option(
        False, "--log-json", help="Log on standard error as JSON lines, for batch jobs."
    ),
    _: bool = typer.Option(
        False, "--version", is_eager=True, callback=_print_version, help="Show the version."
    ),
) -> None:
    handler: logging.Handler
    if log_json:
        handler = logging.StreamHandler()
        handler.setFormatter(JsonLines())
    else:
        handler = RichHandler(console=Console(stderr=True), show_path=False)
        handler.setFormatter(logging.Formatter("%(message)s"))
    handler.addFilter(_is_for_people)
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, handlers=[handler])


def _is_for_people(record: logging.LogRecord) -> bool:
    """Whether to show a record: all of ours, and only warnings of others, such as Dask."""
    return record.levelno >= logging.WARNING or record.name.startswith("screener")


def main() -> None:
    """Run the command line; errors that the user can correct end with exit code 2."""
    try:
        app()
    except ScreenerError as error:
        Console(stderr=True).print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
    except SystemExit as ended:
        if ended.code == campaigns.INTERRUPTED:
            _tell_interrupt()
        raise
    except KeyboardInterrupt:  # of one who pressed it again while things were put in order
        _tell_interrupt()
        sys.exit(campaigns.INTERRUPTED)


def _tell_interrupt() -> None:
    """One line, below what a terminal shows of ctrl-C itself."""
    if "--watch" in sys.argv:  # which goes on until it is interrupted
        return
    words = tuple(word for word in sys.argv[1:] if not word.startswith("-"))
    left = (text for command, text in AFTER_INTERRUPT.items() if words[: len(command)] == command)
    if sys.stderr.isatty():
        typer.echo(err=True)  # the line may hold ^C
    typer.echo(f"interrupted; {next(left, NOTHING_LOST)}", err=True)
