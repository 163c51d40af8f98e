"""Help, options and completion that every command has."""

import inspect
import os
import shlex
import subprocess
import sys

import pytest
import typer.main

from screener.cli.help import first_sentence
from screener.cli.main import app


def commands():
    """Every group and command by its words, as it is run."""

    def below(words, command):
        yield words, command
        for name, each in getattr(command, "commands", {}).items():
            yield from below((*words, name), each)

    return dict(below((), typer.main.get_command(app)))


ALL = commands()
LEAVES = {words: each for words, each in ALL.items() if not hasattr(each, "commands")}


def squeezed(text: str) -> str:
    """Without blanks, line ends and what marks verbatim lines: help is filled up to lines."""
    return "".join(text.replace("\b", "").split())


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_help_says_all_that_the_source_says(screener, words):
    code, out, _ = screener(*words, "--help")
    assert code == 0
    assert screener(*words, "-h") == (0, out, "")
    said = squeezed(out)
    command = ALL[words]
    assert squeezed(inspect.cleandoc(command.help)) in said
    for option in command.params:
        if getattr(option, "help", None) and not getattr(option, "hidden", False):
            assert squeezed(option.help) in said, option.name
    for name, each in getattr(command, "commands", {}).items():
        assert squeezed(name + first_sentence(each.help)) in said
    assert max(map(len, out.splitlines())) <= 80
    assert not set("│─╭╰") & set(out)


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_examples_are_commands_that_can_be_given(words):
    lines = ALL[words].epilog.replace("\b\n", "").splitlines()
    assert lines[0] in ("Example:", "Examples:")
    assert len(lines) > 1
    for line in lines[1:]:
        program, *arguments = shlex.split(line)
        assert program == "screener"
        if arguments == ["--install-completion"]:  # whose option acts as soon as it is read
            continue
        context, command, group = None, ALL[()], ()
        while hasattr(command, "commands"):
            name = arguments.pop(0)
            group = (*group, name)
            context, command = command.make_context(name, [], resilient_parsing=True), ALL[group]
        assert command.make_context(group[-1], arguments, parent=context).params
        assert not words or group[: len(words)] == words


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_every_command_that_prints_results_prints_json(words):
    options = {name for each in LEAVES[words].params for name in each.opts}
    assert "--json" in options


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands_and_options(shell):
    environment = {
        **os.environ,
        "_SCREENER_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": "screener li",
        "COMP_CWORD": "1",
        "_TYPER_COMPLETE_ARGS": "screener li",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    code = "import sys; sys.argv = ['screener']; from screener.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert "library" in done.stdout
    assert "screen\n" not in done.stdout
