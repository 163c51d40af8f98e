import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from screener import Library

FOLDER = Path(__file__).parents[2] / "deploy" / "slurm"
SCRIPT = FOLDER / "screener.sbatch"
TEXT = SCRIPT.read_text(encoding="utf-8")
HET = (FOLDER / "het.sbatch").read_text(encoding="utf-8")
SOLVENTS = "CCO ethanol\nCOC(=O)OC dmc\nCC#N acetonitrile\nC1CCOC1 thf\nO=C1OCCO1 ec\n"

# `srun` for one machine: skips its own options, runs the rest once per task and waits for all.
SRUN = """#!/bin/bash
ntasks=1
while [[ $1 == --* ]]; do
    [[ $1 == --ntasks=* ]] && ntasks=${1#--ntasks=}
    shift
done
trap 'kill -TERM $(jobs -p) 2>/dev/null' TERM
for _ in $(seq "$ntasks"); do "$@" & done
wait
wait
"""


def test_shell_accepts_the_script():
    subprocess.run(["bash", "-n", SCRIPT], check=True)


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_accepts_the_script():
    subprocess.run(["shellcheck", "--severity=warning", SCRIPT], check=True)


def test_slurm_reads_every_directive_before_the_first_command():
    lines = TEXT.splitlines()
    first_command = next(n for n, line in enumerate(lines) if line and not line.startswith("#"))
    directives = [n for n, line in enumerate(lines) if line.startswith("#SBATCH")]
    assert directives
    assert max(directives) < first_command
    asked = {lines[n].split()[1].split("=")[0] for n in directives}
    assert asked >= {"--ntasks-per-node", "--cpus-per-task", "--mem-per-cpu", "--time", "--signal"}
    assert "#SBATCH --cpus-per-task=1" in lines


def test_workers_have_one_thread_and_end_when_the_scheduler_is_gone():
    (worker,) = re.findall(r"dask worker (?:.*\\\n)*.*", TEXT)
    assert "--nthreads 1" in worker
    assert "--nworkers 1" in worker
    assert "--death-timeout" in worker
    assert "OMP_NUM_THREADS=1" in TEXT


def test_readme_names_the_script_and_only_options_it_has():
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert "deploy/slurm/screener.sbatch screen" in readme
    for variable in re.findall(r"SCREENER_\w+", readme):
        assert variable in TEXT + HET


class Job:
    """The batch script as Slurm runs it, with the shell above for `srun`."""

    def __init__(self, folder: Path, ntasks: int = 2) -> None:
        self.folder = folder
        tools = folder / "tools"
        tools.mkdir(exist_ok=True)
        (tools / "srun").write_text(SRUN)
        (tools / "srun").chmod(0o755)
        self.environment = os.environ | {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "SCREENER_VENV": sys.prefix,
            "SLURM_JOB_ID": "17",
            "SLURM_NTASKS": str(ntasks),
            "SLURM_CPUS_PER_TASK": "1",
            "SLURM_MEM_PER_CPU": "2048",
            "SLURM_SUBMIT_DIR": str(folder),
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", SCRIPT, *arguments],
            cwd=self.folder,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        process = self.start(*arguments)
        output, _ = process.communicate()
        return process.returncode, output

    def left_over(self) -> list[str]:
        """Scheduler files and processes that outlived the job."""
        listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
        return [
            *map(str, self.folder.glob("*.scheduler.json")),
            *(line for line in listing.stdout.splitlines() if str(self.folder) in line),
        ]


def test_without_arguments_or_outside_slurm_it_says_what_to_do(tmp_path):
    job = Job(tmp_path)
    code, output = job.run()
    assert (code, "usage: sbatch" in output) == (2, True)
    del job.environment["SLURM_JOB_ID"]
    code, output = job.run("screen", "library", "--out", "campaign")
    assert code != 0
    assert "submit it with sbatch" in output
    assert job.left_over() == []


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    folder = tmp_path_factory.mktemp("slurm")
    (folder / "solvents.smi").write_text(SOLVENTS)
    return Job(folder)


@pytest.mark.slow
def test_job_builds_a_library_and_leaves_nothing_running(job):
    library = job.folder / "library"
    code, output = job.run("library", "build", "solvents.smi", "--out", str(library))
    assert code == 0, output
    assert len(Library.open(library)) == 5
    assert job.left_over() == []


@pytest.mark.slow
def test_job_passes_on_the_exit_code_of_the_command(job):
    missing = str(job.folder / "missing.smi")
    code, output = job.run("library", "build", missing, "--out", str(job.folder / "none"))
    assert code == 2, output
    assert "missing.smi" in output
    assert job.left_over() == []


@pytest.mark.slow
def test_job_that_is_ended_early_stops_everything_it_started(job):
    process = job.start("library", "build", "solvents.smi", "--out", str(job.folder / "late"))
    scheduler_file = job.folder / "screener-17.scheduler.json"
    while not scheduler_file.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate()
    assert process.returncode == 143, output
    assert "submit the same line again" in output
    assert job.left_over() == []
    code, output = job.run("library", "build", "solvents.smi", "--out", str(job.folder / "late"))
    assert code == 0, output
    assert len(Library.open(job.folder / "late")) == 5
