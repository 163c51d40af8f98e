from pathlib import Path

import pytest

from screener.cluster.settings import (
    AddressSettings,
    CudaSettings,
    LocalSettings,
    SlurmPool,
    SlurmSettings,
    cluster_from,
    parse_cluster,
    read_cluster,
)
from screener.errors import ConfigError

SLURM = {"kind": "slurm", "interface": "ib0", "cpu": {"workers": 8}}


def test_every_kind_has_its_own_keys() -> None:
    assert cluster_from({"kind": "local", "workers": 3}, "x") == LocalSettings(workers=3)
    address = cluster_from({"kind": "address", "address": "tcp://a:1"}, "x")
    assert address == AddressSettings(address="tcp://a:1")
    slurm = cluster_from(SLURM | {"gpu": {"workers": 2, "gres": "gpu:1"}}, "x")
    assert isinstance(slurm, SlurmSettings)
    assert slurm.gpu is not None
    assert slurm.gpu.gres == "gpu:1"


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"kind": "slurm", "cpu": {"workers": 8}}, "say either interface"),
        (SLURM | {"host": "10.0.0.1"}, "say either interface"),
        (SLURM | {"workers": 3}, "c.toml: cluster.workers: Extra inputs"),
        (SLURM | {"cpu": {"worker": 8}}, "c.toml: cluster.cpu"),
        (SLURM | {"cpu": {"workers": 8, "maximum": 9}}, "not both"),
        (SLURM | {"cpu": {"maximum": 9}}, "say how many"),
        (SLURM | {"cpu": {"minimum": 9, "maximum": 3}}, "larger than maximum 3"),
        (SLURM | {"cpu": {"workers": 1, "walltime": "2 hours"}}, "not a time such as"),
        (SLURM | {"cpu": {"workers": 1, "memory": "lots"}}, "not a size such as 4G"),
        (SLURM | {"cpu": {"workers": 1, "directives": ["a\nrm -r"]}}, "not an option of sbatch"),
        ({"kind": "local", "tls_cert": "a.pem"}, "tls_cert wants tls_ca_file and tls_key"),
        ({"kind": "cloud"}, "c.toml: cluster:.*'local', 'address', 'slurm'"),
        ({"workers": 3}, "c.toml: cluster:.*'kind'"),
    ],
)
def test_what_does_not_fit_is_named(values: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        cluster_from(values, "c.toml")


def test_sizes_of_a_job() -> None:
    pool = SlurmPool(workers=1, walltime="2-03:04:05", memory="3500M")
    assert pool.walltime_seconds == ((2 * 24 + 3) * 60 + 4) * 60 + 5
    assert pool.memory_mebibytes == 3500
    assert SlurmPool(workers=1, walltime="01:00:00", memory="2G").memory_mebibytes == 2048


def test_from_a_file_or_a_word(tmp_path: Path) -> None:
    file = tmp_path / "cluster.toml"
    file.write_text('[cluster]\nkind = "local"\nworkers = 2\n')
    assert parse_cluster(str(file)) == read_cluster(str(file)) == LocalSettings(workers=2)
    assert parse_cluster("local") == LocalSettings()
    assert parse_cluster("cuda") == CudaSettings()
    with pytest.raises(ConfigError, match=r"--cluster slurm wants a file .*cluster.cpu"):
        parse_cluster("slurm")
    with pytest.raises(ConfigError, match="or one of local, address"):
        parse_cluster("pbs")
    file.write_text('library = "x"\n')
    assert read_cluster(str(file)) is None
    with pytest.raises(ConfigError, match=r"has no \[cluster\] table"):
        parse_cluster(str(file))
    file.write_text("[cluster\n")
    with pytest.raises(ConfigError, match="not valid TOML"):
        parse_cluster(str(file))
    with pytest.raises(ConfigError, match=r"cannot read .*none\.toml"):
        parse_cluster(str(tmp_path / "none.toml"))
