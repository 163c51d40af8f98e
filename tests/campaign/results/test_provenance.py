"""What a campaign's results come from is told."""

from screener.campaign.results.provenance import versions


def test_versions_are_of_what_is_installed():
    found = versions()
    assert found["rdkit"][0].isdigit()
    assert set(found) >= {"python", "screener", "torch", "tblite", "dask", "zarr"}
