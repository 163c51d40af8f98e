"""`python -m screener`: the same as the command `screener`."""

from screener.cli import main

main()
