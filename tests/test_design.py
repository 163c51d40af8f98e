import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = ("docs/design.md", "CONTRIBUTING.md")
DESIGN = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
SUFFIXES = ("py", "md", "toml", "svg", "txt", "json")


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def test_pictures_show_the_layers_and_imports_of_now():
    command = [sys.executable, ROOT / "docs" / "make_pictures.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_room_of_the_import_contract_is_described():
    contracts = tomllib.loads(text_of("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    rooms = re.findall(r"screener\.(\w+)", str(contracts[0]["layers"]))
    described = DESIGN.split("| room |")[1].split("\n\n")[0]
    assert len(rooms) > 15
    assert [room for room in rooms if f"`{room}`" not in described] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_that_are_named_exist(document):
    named = re.findall(
        rf"`((?:[\w.-]+/)+[\w.-]+\.(?:{'|'.join(SUFFIXES)})|[\w/]+/)`", text_of(document)
    )
    in_code = [
        name for name in named if name.split("/")[0] in ("screener", "tests", "docs", "deploy")
    ]
    assert len(in_code) > 1
    assert [name for name in in_code if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document):
    folder = (ROOT / document).parent
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text_of(document))
    assert links
    assert [link for link in links if not (folder / link).exists()] == []


def test_entry_points_that_are_named_are_groups_of_plugins():
    from screener.registry.plugins import GROUPS

    named = set(re.findall(r"under `screener\.(\w+)`", DESIGN))
    assert named == set(GROUPS)


def test_make_targets_that_are_named_exist():
    named = {
        name for document in DOCUMENTS for name in re.findall(r"`make (\w+)`", text_of(document))
    }
    targets = set(re.findall(r"^(\w+):", text_of("Makefile"), re.MULTILINE))
    assert named <= targets
