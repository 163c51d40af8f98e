import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import typer

from screener.campaign.settings.config import CampaignConfig
from screener.cli.main import app
from screener.funnel.settings import SearchSettings
from screener.models.bundle import load_bundle
from screener.training.tables.config import read_train_config
from screener.training.tables.options import table_options

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SLURM = (ROOT / "deploy" / "slurm" / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    """Every `screener` command line that the documents show."""
    lines = "\n".join([*blocks("sh"), *re.findall(r"^    (.*)$", SLURM, re.MULTILINE)])
    lines = lines.replace("\\\n", " ").replace("deploy/slurm/screener.sbatch", "screener")
    found = re.findall(
        r"(?:^|\s)screener ((?:library|screen|status|rank|evaluate|train|models) .*)", lines
    )
    return [*found, *re.findall(r"`screener ([^`]* [^`]*)`", README)]


@pytest.mark.slow
def test_python_example_runs(tmp_path):
    (example,) = blocks("python")
    script = tmp_path / "example.py"
    script.write_text(example, encoding="utf-8")
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "acetonitrile" in done.stdout
    assert "2-methyltetrahydrofuran" not in done.stdout  # too dear
    assert re.search(r"shortlisted +3\b", done.stdout)
    assert (tmp_path / "my-campaign" / "report.html").is_file()


def test_what_stands_of_the_funnel_is_the_default():
    example, *_ = blocks("toml")
    config = CampaignConfig.from_mapping(tomllib.loads(example), "README.md")
    found = config.funnel.settings(None, 500)
    assert found == SearchSettings(budget=50_000, top_n=500)


def test_configuration_example_is_understood():
    _, example, *_ = blocks("toml")
    config = CampaignConfig.from_mapping(tomllib.loads(example), "README.md")
    ranking = config.ranking.settings()
    assert ranking.top == 100
    (dipole,) = (each for each in ranking.objectives if each.column == "dipole_b3lyp_debye")
    assert (dipole.goal, dipole.numbers["target"]) == ("target", 4.0)


def test_example_of_a_stage_is_understood():
    _, _, example, *_ = blocks("toml")
    (stage,) = CampaignConfig.from_mapping(tomllib.loads(example), "README.md").stages
    assert stage.values == ("gfn2",)


def test_training_example_is_understood(tmp_path):
    *_, example, _ = blocks("toml")
    path = tmp_path / "train.toml"
    path.write_text(example, encoding="utf-8")
    config = read_train_config(path)
    assert config.data is not None
    assert config.data.unit_of("ae0_b3lyp_kcal").name == "hartree"
    assert config.split.fractions["fit"] == 0.8


def test_training_example_of_drawings_is_understood(tmp_path):
    *_, example = blocks("toml")
    path = tmp_path / "train.toml"
    path.write_text(example, encoding="utf-8")
    config = read_train_config(path)
    assert config.data is not None
    assert config.geometry_level == "drawing"
    assert list(config.data.labels) == ["boiling_point_k"]


@pytest.mark.parametrize("line", commands())
def test_commands_exist_with_their_options(line):
    command = typer.main.get_command(app)
    words = shlex.split(line, comments=True)
    while subcommands := getattr(command, "commands", None):
        command = subcommands[words.pop(0)]
    options = {name for parameter in command.params for name in parameter.opts} | {"--help"}
    for word in words:
        if word.startswith("--"):
            assert word.split("=")[0] in options, line


@pytest.mark.parametrize("line", [line for line in commands() if line.startswith("evaluate ")])
def test_evaluations_say_what_their_files_hold(line, monkeypatch):
    """The options fit together, and where the reference data are, the files have the columns."""
    if "=" not in line:  # the command's name with its arguments, in the text
        return
    shipped = load_bundle("gfn2opt-to-g4mp2")

    class Understood(Exception):
        pass

    def understood(values, where, names):
        raise Understood(table_options(values, where, names))

    # the README's own bundle is not there, and has the columns of a shipped one
    monkeypatch.setattr("screener.models.bundle.load_bundle", lambda name: shipped)
    monkeypatch.setattr("screener.training.tables.options.table_options", understood)
    folder = os.environ.get("SCREENER_REFERENCE_DATA", "reference")
    words = shlex.split(line.replace("$SCREENER_REFERENCE_DATA", folder))
    with pytest.raises(Understood) as found:
        typer.main.get_command(app)(words, standalone_mode=False)
    (options,) = found.value.args
    if "SCREENER_REFERENCE_DATA" in os.environ:
        assert set(options.columns()) <= set(pq.read_schema(options.path).names)


def test_every_reference_file_has_its_command():
    named = set(re.findall(r"REFERENCE_DATA/(\w+)\.parquet", README))
    assert named == {
        "ppe1694_g4mp2",
        "large_molecules_g4mp2",
        "gdb_sugar_small_g4mp2",
        "qm7_pbe0_dftb",
        "qm9_overlap",
        "g305_g4mp2",
    }


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^(\w+):", makefile, re.MULTILINE))
    named = set(re.findall(r"make (\w+)", README))
    assert named >= {"screen", "test", "check", "bench", "labels"}
    assert named <= targets
    for recipe in re.findall(r"^\w+:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE):
        assert recipe.count("\n") <= 2


def test_named_files_exist():
    for path in re.findall(r"`((?:screener|notebooks|deploy|tests)/[\w./-]+)`", README):
        assert (ROOT / path).exists(), path
