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
    few = ("--molecules", 8, "--rounds", 1, "--json", figures)
    run("bench.py", "--only", "mmff94", *few)
    (comparison,) = json.loads(figures.read_text())["comparisons"]
    assert len(comparison["variants"]) == 3
    assert all(way["molecules_per_second"] > 0 for way in comparison["variants"])


def test_growth_of_a_library():
    told = run("library_scale.py", "--rows", 1000, 2000, "--workers", 1).replace(",", "")
    assert "1000 rows" in told
    assert "2000 rows" in told


def test_growth_of_a_search():
    assert "1,000 rows" in run("scale.py", "--rows", 1000, "--workers", 1)
