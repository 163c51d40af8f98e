"""The plan is measured on the library's own molecules and leaves no trace."""

import fsspec
import psutil
import pytest

from screener.campaign.driver.estimate import estimate
from screener.campaign.settings.config import FunnelConfig
from screener.stores.files import Folder


def files_below(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_sample_says_what_is_to_be_done(finished, small_library, tmp_path):
    library = tmp_path / "library"
    finished.copy_of_library(library)
    before = files_below(tmp_path)
    asked = finished.config.with_options(library=str(library), out=str(tmp_path / "campaign"))
    found = estimate(asked, n_workers=2, n_sample=3)
    assert files_below(tmp_path) == before
    assert not (tmp_path / "campaign").exists()
    assert [name for name in fsspec.filesystem("memory").store if "screener-" in name] == []
    assert (found.n_sample, found.n_workers) == (3, 2)
    first, second = found.stages
    assert (first.n_rows, first.n_units, first.n_units_done) == (22, 6, 0)
    assert (second.n_rows, second.n_units) == (10, 5)
    assert second.structure_seconds > 0
    assert first.seconds * 2 >= 22 * first.structure_seconds
    assert found.seconds == first.seconds + second.seconds
    assert first.n_bytes > 22 * 100  # coordinates and some columns of every molecule
    assert found.worker_bytes > found.driver_bytes > 100e6
    assert found.driver_bytes < 1.5 * psutil.Process().memory_info().rss


def test_what_is_done_is_not_counted_again(finished):
    asked = finished.config.with_options(library=finished.library, out=str(finished.folder))
    found = estimate(asked, n_workers=1, n_sample=2)
    assert [stage.n_units_done for stage in found.stages] == [6, 5]
    assert found.seconds == 0
    assert found.n_bytes == 0


def test_a_search_is_measured_with_its_surrogate(finished, tmp_path):
    asked = finished.config.with_options(
        library=finished.library, out=str(tmp_path / "campaign"), finalists=4, budget=20
    )
    found = estimate(asked.model_copy(update={"funnel": FunnelConfig(budget=20, batches=3)}), 2, 3)
    assert [stage.name for stage in found.stages] == ["2d", "surrogate", "mmff94", "gfn2-opt"]
    drawings, surrogate, direct, delta = found.stages
    assert (drawings.n_rows, direct.n_rows, delta.n_rows) == (22, 20, 4 + 4)
    assert (surrogate.n_rows, surrogate.n_units) == (4 * 22, 4)
    assert all(stage.seconds > 0 for stage in found.stages)
    assert drawings.n_bytes > 22 * 100
    assert [name for name in fsspec.filesystem("memory").store if "screener-" in name] == []


@pytest.mark.parametrize("n_sample", [1, 10_000])
def test_samples_of_any_size(finished, tiny_bundles, tmp_path, n_sample):
    asked = finished.config.with_options(
        library=finished.library,
        out=str(tmp_path / "campaign"),
        stages=[tiny_bundles.direct],
        objectives=["minimise:homo_b3lyp_ev"],
    )
    found = estimate(asked, n_workers=1, n_sample=n_sample)
    assert found.n_sample == min(n_sample, 22)
    assert not Folder(str(tmp_path / "campaign")).exists()
