"""The command line: parse, start, print. No logic lives here."""

from screener.cli.main import main

__all__ = ["main"]
