import pytest

from screener.cli.cluster import cluster_settings
from screener.cluster.settings import AddressSettings, LocalSettings
from screener.errors import ConfigError


def test_the_last_word_is_with_the_options(tmp_path):
    config = tmp_path / "campaign.toml"
    config.write_text('library = "x"\n\n[cluster]\nkind = "local"\nworkers = 5\n')
    other = tmp_path / "cluster.toml"
    other.write_text('[cluster]\nkind = "local"\nworkers = 7\n')
    assert cluster_settings(None, None, None) == LocalSettings()
    assert cluster_settings(None, None, None, str(config)) == LocalSettings(workers=5)
    assert cluster_settings(None, None, 2, str(config)) == LocalSettings(workers=2)
    assert cluster_settings(str(other), None, None, str(config)) == LocalSettings(workers=7)
    running = AddressSettings(address="tcp://a:1")
    assert cluster_settings(None, "tcp://a:1", 2, str(config)) == running
    with pytest.raises(ConfigError, match="leave out --scheduler and --workers"):
        cluster_settings("local", None, 2)


def test_a_mistake_in_the_table_is_told_by_the_command(screener, tmp_path):
    cluster = tmp_path / "cluster.toml"
    cluster.write_text('[cluster]\nkind = "slurm"\nhost = "127.0.0.1"\n')
    (tmp_path / "in.smi").write_text("CCO\n")
    out = str(tmp_path / "library")
    code, _, said = screener(
        "library", "build", str(tmp_path / "in.smi"), "--out", out, "--cluster", str(cluster)
    )
    assert code == 2
    assert "cluster.toml: cluster.cpu: Field required" in said
    assert not (tmp_path / "library").exists()
