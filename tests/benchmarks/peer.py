"""A program of another package in an environment of its own, which does one command after another.

It answers each line of its input with a line `done`.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from screener.errors import ConfigError


class Peer:
    """A running one.

    Args:
        name: of the package.
        python: variable that names the interpreter of an environment that has it.
        script: beside this file.
        arguments: of the script.
    Raises:
        ConfigError: the variable is not set.
    """

    def __init__(self, name: str, python: str, script: str, arguments: Sequence[str]) -> None:
        interpreter = os.environ.get(python)
        if not interpreter:
            raise ConfigError(f"set {python} to an interpreter that has {name}")
        self.name = name
        self._process = subprocess.Popen(
            [interpreter, str(Path(__file__).parent / script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ask("ready")

    def ask(self, command: str) -> None:
        """Have a command done; returns when it is."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        if self._process.stdout.readline().strip() != "done":
            raise RuntimeError(f"{command} failed in the environment of {self.name}")

    def close(self) -> None:
        """End the process."""
        self._process.communicate("")
