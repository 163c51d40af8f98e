import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from screener.stores.paths import fault_of, link_out_of, require_name, require_path

GOOD = [
    "manifest.json",
    "shards/part-00000000.parquet",
    "predictions/mmff94/0f3a.12ab.parquet",
    "structures.zarr/0f3a.zip",
    "receipts/..a/b..json",  # dots alone lead upwards, not dots in a name
    "Ångström/a b+c=(1),@~.txt",
]
BAD = {
    "": "empty",
    "/etc/passwd": "absolute",
    "//host/share": "absolute",
    "..": "'..'",
    "../victim": "'..'",
    "a/../../victim": "'..'",
    "a/..": "'..'",
    "./a": "'..'",
    "a//b": "empty part",
    "a/": "empty part",
    "..\\victim": r"holds '\\\\'",
    "a\\..\\..\\victim": r"holds '\\\\'",
    "C:/victim": "holds ':'",
    "file:///victim": "holds ':'",
    "memory://victim/x": "holds ':'",
    "zip::s3://bucket/x": "holds ':'",
    "a/%2e%2e/victim": "holds '%'",
    "shards/*": r"holds '\*'",
    "a\x00b": r"holds '\\x00'",
    "a\nb": r"holds '\\n'",
}


@pytest.mark.parametrize("path", GOOD)
def test_paths_that_stay_inside(path: str) -> None:
    assert fault_of(path) == ""
    assert require_path(path) == path


@pytest.mark.parametrize("path", BAD)
def test_paths_that_may_lead_out(path: str) -> None:
    with pytest.raises(ValueError, match=BAD[path]):
        require_path(path)
    with pytest.raises(ValueError, match="no name"):
        require_name(path)


@pytest.mark.parametrize("path", [None, 7, ["a"]])
def test_what_is_no_text(path: object) -> None:
    assert fault_of(path) == "it is no text"


def test_a_name_is_one_part() -> None:
    assert require_name("mmff94-2") == "mmff94-2"
    with pytest.raises(ValueError, match="'/'"):
        require_name("a/b")


@given(
    parts=st.lists(
        st.sampled_from(["..", ".", "", "a", "b.c", "...", "/", "\\", "~", " "]), max_size=6
    )
)
def test_what_is_accepted_stays_below_the_root(parts: list[str]) -> None:
    path = "/".join(parts)
    if not fault_of(path):
        assert os.path.normpath(f"/root/folder/{path}").startswith("/root/folder/")


def test_links_that_lead_out_are_found(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "a" / "b").mkdir(parents=True)
    outside.mkdir()
    (root / "out").symlink_to(outside)
    (root / "a" / "up").symlink_to("../..")
    (root / "a" / "inside").symlink_to("b")
    (root / "a" / "dangling").symlink_to(tmp_path / "rooted")  # like the root by its first letters
    for path in ("a/b", "a/inside/c", "a/missing/deeper", "new"):
        assert link_out_of(str(root), path) == "", path
    for path, link in {
        "out": "out",
        "out/deeper/file": "out",
        "a/up/outside": "a/up",
        "a/dangling": "a/dangling",
    }.items():
        assert link_out_of(str(root), path) == str(root / link), path


def test_the_root_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real" / "a").mkdir(parents=True)
    (tmp_path / "real" / "a" / "inside").symlink_to(tmp_path / "real" / "a")
    (tmp_path / "root").symlink_to("real")
    assert link_out_of(str(tmp_path / "root"), "a/inside/file") == ""
