"""The benchmarks run: small, once, and without a look at the figures, which say nothing here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

BENCHMARKS = Path(__file__).parent / "benchmarks"


def run(script: str, *arguments: object) -> str:
    command = [sys.executable, str(BENCHMARKS / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_molecules_per_second(tmp_path):
    figures = tmp_path / "figures.json"
    few = ("--molecules", 16, "--rounds", 1, "--json", figures)
    run("bench.py", "--only", "standardise", "mmff94", "direct", *few)
    comparisons = json.loads(figures.read_text())["comparisons"]
    assert [len(each["variants"]) for each in comparisons] == [3, 3, 2]
    assert all(way["molecules_per_second"] > 0 for each in comparisons for way in each["variants"])


@pytest.mark.parametrize("script", ["library_scale.py", "scale.py"])
def test_growth(script):
    told = run(script, "--rows", 1000, 2000).replace(",", "")
    assert "1000 rows" in told
    assert "2000 rows" in told
