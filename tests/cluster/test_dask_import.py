import sys
from types import ModuleType

import pytest

from screener.cluster.dask_import import require_dask
from screener.errors import ConfigError


def test_a_configuration_that_keeps_dask_from_being_imported_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Broken:
        def find_spec(self, name: str, *_: object) -> ModuleType | None:
            if name == "distributed":
                raise ValueError("A dask config file at 'my.yaml' is malformed")
            return None

    monkeypatch.delitem(sys.modules, "distributed")
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    monkeypatch.setenv("DASK_CONFIG", "my.yaml")
    with pytest.raises(ConfigError, match=r"'my\.yaml' is malformed.*configure it here: .*DASK_C"):
        require_dask()
    monkeypatch.undo()
    require_dask()
