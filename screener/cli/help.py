"""What `--help` prints: plain text in which nothing is taken for markup, with an example below.

Every group of commands and every command is made here, so that each has `-h` beside `--help`, says
its whole first sentence in the list of its group, and ends its help with commands to copy.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup


class Commands(TyperGroup):
    """A group whose list of commands shows first sentences whole, however many lines they take."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands."""
        rows = [
            (name, first_sentence(command.help or ""))
            for name, command in self.commands.items()
            if not command.hidden
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def first_sentence(text: str) -> str:
    """The first sentence of a docstring, on one line."""
    paragraph = inspect.cleandoc(text).split("\n\n")[0]
    return " ".join(paragraph.split()).partition(". ")[0].removesuffix(".")


def group(about: str, examples: Sequence[str], **settings: Any) -> typer.Typer:
    """A group of commands.

    Args:
        about: what they are for.
        examples: command lines that its help shows.
        settings: as of `typer.Typer`.
    """
    return typer.Typer(
        cls=Commands,
        help=about,
        epilog=shown(examples),
        no_args_is_help=True,
        rich_markup_mode=None,  # which would take [square brackets] for markup
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        **settings,
    )


def shown(examples: Sequence[str]) -> str:
    """Command lines as they stand below the help of a command.

    Args:
        examples: each fits into one line.
    """
    # \b: lines are not filled up to paragraphs
    title = "Examples:" if len(examples) > 1 else "Example:"
    return "\n".join(["\b", title, *(f"  {each}" for each in examples)])
