"""The scripts of deploy/slurm, submitted to a Slurm that runs."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from one_machine import SlurmMachine

from screener import Library
from screener.stores.library import LibraryStore

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parents[2] / "deploy" / "slurm"
SOLVENTS = "CCO ethanol\nCOC(=O)OC dmc\nCC#N acetonitrile\nC1CCOC1 thf\nO=C1OCCO1 ec\n"


@pytest.fixture
def folder(
    slurm: SlurmMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[SlurmMachine, Path]:
    monkeypatch.setenv("SCREENER_VENV", sys.prefix)
    monkeypatch.setenv("SCREENER_DEPLOY", str(FOLDER))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "solvents.smi").write_text(SOLVENTS)
    return slurm, tmp_path


def test_one_job_on_one_partition(folder: tuple[SlurmMachine, Path]) -> None:
    slurm, here = folder
    code = slurm.batch(
        "--nodes=1", "--ntasks-per-node=3", "--mem-per-cpu=1G",
        "--output=job.log", str(FOLDER / "screener.sbatch"),
        "library", "build", "solvents.smi", "--out", "library",
    )  # fmt: skip
    assert code == "0:0", (here / "job.log").read_text()
    assert len(Library.open(here / "library")) == 5
    assert not list(here.glob("*.scheduler.json"))


def test_one_heterogeneous_job_on_two_partitions(
    folder: tuple[SlurmMachine, Path], small_library: LibraryStore, tiny_bundles: SimpleNamespace
) -> None:
    slurm, here = folder
    text = (FOLDER / "het.sbatch").read_text()
    for given, here_is in (
        ("--nodes=2 --ntasks-per-node=32", "--nodes=1 --ntasks-per-node=3"),
        ("=4G", "=1G"),
        ("=16G --gpus-per-task=1", "=1G"),  # there is no GPU here
    ):
        assert text.count(given) == 1
        text = text.replace(given, here_is)
    (here / "het.sbatch").write_text(text)
    code = slurm.batch(
        "--output=job.log", "het.sbatch",
        "screen", small_library.folder.url, "--out", "campaign", "--top", "3",
        "--stages", tiny_bundles.direct, "--minimise", "homo_b3lyp_ev",
    )  # fmt: skip
    assert code == "0:0", (here / "job.log").read_text()
    assert (here / "campaign" / "shortlist.csv").read_text().count("\n") == 4
    provenance = (here / "campaign" / "provenance.json").read_text()
    assert '"worker_threads": 3' in provenance  # two CPU workers and one GPU worker
    assert not list(here.glob("*.scheduler.json"))
