from pathlib import Path

import numpy as np

from screener.training.fit.checkpoint import FolderProgress


def test_what_is_kept_comes_back_and_the_last_counts(tmp_path: Path):
    progress = FolderProgress(tmp_path / "new" / "folder")
    assert progress.load("a") is None
    for value in (1.0, 2.0):
        progress.save("a", {"x": np.full((2, 3), value), "n": np.array([7])})
    found = FolderProgress(tmp_path / "new" / "folder").load("a")
    assert found is not None
    np.testing.assert_array_equal(found["x"], np.full((2, 3), 2.0))
    assert found["n"].tolist() == [7]
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["a.safetensors"]


def test_arrays_come_back_whatever_their_order_in_memory(tmp_path: Path):
    array = np.arange(6.0).reshape(2, 3).T
    FolderProgress(tmp_path).save("a", {"x": array})
    found = FolderProgress(tmp_path).load("a")
    assert found is not None
    np.testing.assert_array_equal(found["x"], array)


def test_a_broken_file_is_as_good_as_none(tmp_path: Path):
    progress = FolderProgress(tmp_path)
    progress.save("a", {"x": np.arange(1000.0)})
    path = tmp_path / "a.safetensors"
    path.write_bytes(path.read_bytes()[:500])
    assert progress.load("a") is None


def test_it_is_due_when_the_time_is_over(tmp_path: Path):
    assert FolderProgress(tmp_path, seconds=0.0).due()
    patient = FolderProgress(tmp_path, seconds=3600.0)
    assert not patient.due()


def test_nothing_is_left_when_the_fit_is_done(tmp_path: Path):
    progress = FolderProgress(tmp_path)
    progress.save("a", {"x": np.zeros(3)})
    progress.clear()
    assert list(tmp_path.iterdir()) == []
