import shlex
import subprocess
from pathlib import Path

import dask
from certificates import make_certificates

from screener.cluster.dask_scheduler import security_of
from screener.cluster.settings import SlurmSettings
from screener.cluster.slurm_jobs import job_class, job_options, lifetime

SETTINGS = {
    "interface": "ib0",
    "prologue": ["module load cuda"],
    "cpu": {"workers": 8, "workers_per_job": 4, "partition": "batch", "memory": "3500M"},
    "gpu": {
        "workers": 2,
        "partition": "a100",
        "account": "batteries",
        "walltime": "2-00:00:00",
        "gres": "gpu:1",
        "directives": ["--constraint=80g"],
    },
}
DASK = {"distributed.scheduler.worker-ttl": "5 minutes"}


def scripts(tmp_path: Path, **more: object) -> dict[str, str]:
    """What is given to sbatch for both pools."""
    settings = SlurmSettings.model_validate(SETTINGS | {"log_folder": str(tmp_path)} | more)
    made = {}
    for resource, pool in (("CPU", settings.cpu), ("GPU", settings.gpu)):
        assert pool is not None
        security = security_of(settings)
        options = job_options(pool, resource, settings, security, "screener-1f", DASK)
        made[resource] = job_class()("tcp://10.0.0.1:5", name="w-0", **options).job_script()
        subprocess.run(["bash", "-n"], input=made[resource], text=True, check=True)
    return made


def directives(script: str) -> set[str]:
    return {line[8:] for line in script.splitlines() if line.startswith("#SBATCH ")}


def words(script: str) -> list[str]:
    return shlex.split(script.strip().splitlines()[-1])


def test_each_pool_has_its_own_directives(tmp_path: Path) -> None:
    made = scripts(tmp_path)
    cpu, gpu = directives(made["CPU"]), directives(made["GPU"])
    assert cpu >= {"-J screener-1f", "-p batch", "-n 1", "--cpus-per-task=4", "--mem=14000M"}
    assert cpu >= {"-t 12:00:00"}
    assert gpu >= {"-p a100", "-A batteries", "-t 2-00:00:00", "--mem=4096M", "--gres=gpu:1"}
    assert gpu >= {"--constraint=80g", "--cpus-per-task=1"}
    assert not any("gres" in line or "-A" in line for line in cpu)


def test_each_worker_declares_its_pool_and_has_one_thread(tmp_path: Path) -> None:
    made = scripts(tmp_path)
    for resource, n_processes in (("CPU", 4), ("GPU", 1)):
        command = words(made[resource])
        assert command[command.index("--resources") + 1] == f"{resource}=1"
        assert command[command.index("--nthreads") + 1] == "1"
        assert command[command.index("--interface") + 1] == "ib0"
        assert "--death-timeout" in command
        assert ("--nworkers" in command) == (n_processes > 1)
    assert "export CUDA_VISIBLE_DEVICES=''" in made["CPU"]
    assert "CUDA_VISIBLE_DEVICES" not in made["GPU"]  # Slurm sets it
    assert "\nmodule load cuda\n" in made["GPU"]


def test_tls_files_are_named_with_whole_paths(tmp_path: Path) -> None:
    files = make_certificates(tmp_path / "with space")
    command = words(scripts(tmp_path, **files)["CPU"])
    for option, name in (("ca-file", "ca_file"), ("cert", "cert"), ("key", "key")):
        assert command[command.index(f"--tls-{option}") + 1] == files[f"tls_{name}"]
    assert command[command.index("--protocol") + 1] == "tls"


def test_workers_have_the_configuration_that_they_are_given(tmp_path: Path) -> None:
    with dask.config.set({"temporary-directory": "/local scratch"}):
        script = scripts(tmp_path)["CPU"]
    (line,) = [each for each in script.splitlines() if each.startswith("export DASK_")]
    name, _, value = line.removeprefix("export ").partition("=")
    assert name == "DASK_INTERNAL_INHERIT_CONFIG"
    assert dask.config.deserialize(value) == {
        "distributed": {"scheduler": {"worker-ttl": "5 minutes"}},
        "temporary-directory": "/local scratch",
    }
    command = words(script)
    assert command[command.index("-m") + 1] == "screener.cluster.job_main"
    assert command[command.index("--local-directory") + 1] == "/local scratch"
    assert '"${TMPDIR:-/tmp}"' in scripts(tmp_path)["CPU"]


def test_workers_leave_before_the_wall_time() -> None:
    for walltime in (60, 3600, 86400):
        options = {name: int(text[:-1]) for name, text in lifetime(walltime).items()}
        latest = options["--lifetime"] + options["--lifetime-stagger"]
        assert 0.8 * walltime <= latest
        assert latest <= walltime - min(0.1 * walltime, 600)
