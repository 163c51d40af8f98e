"""Arrays out of a TorchScript archive, without running anything that is in it.

Such an archive is a zip file: a pickle of the modules' attributes, the numbers of each array in a
file of its own, and code. Here the pickle is read with its classes replaced by plain dictionaries,
and the code is not looked at.
"""

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from screener.errors import StoreError

_TYPES = {"FloatStorage": np.dtype("<f4"), "DoubleStorage": np.dtype("<f8")}
# what a broken pickle may raise, and a broken zip file
_UNREADABLE = (
    *(OSError, EOFError, LookupError, AttributeError, TypeError, ValueError, StopIteration),
    *(pickle.UnpicklingError, zipfile.BadZipFile),
)


class _Storage(NamedTuple):
    values: NDArray[Any]


class _Module(dict[str, Any]):
    """The attributes of a module, whatever its class."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.update(state)


def read_arrays(path: str) -> dict[str, NDArray[Any]]:
    """The arrays of an archive by the path of attributes that leads to each.

    Args:
        path: of a file that `torch.jit.save` wrote.
    Returns:
        arrays such as `{"models.0.weight": ...}`.
    Raises:
        StoreError: it is no such archive, or has something else in it than modules, plain values
            and arrays of floating-point numbers.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            root = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
            with archive.open(root) as file:
                content = _Reader(file, archive, root.removesuffix(".pkl")).load()
    except _UNREADABLE as error:
        raise StoreError(f"{path} cannot be read as a TorchScript archive: {error}") from error
    return dict(_arrays(content, ""))


class _Reader(pickle.Unpickler):
    def __init__(self, file: IO[bytes], archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(file)
        self._archive = archive
        self._folder = folder

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("__torch__."):
            return _Module
        if (module, name) == ("torch.jit._pickle", "restore_type_tag"):
            return _untagged
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _array
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in _TYPES:
            return _TYPES[name]
        raise pickle.UnpicklingError(f"{module}.{name} has no place in it")

    def persistent_load(self, pid: Any) -> _Storage:
        _, kind, key, _, n_values = pid
        data = self._archive.read(f"{self._folder}/{key}")
        values = np.frombuffer(data, kind)
        if len(values) != n_values:
            raise pickle.UnpicklingError(f"array {key} has {len(values)} values, not {n_values}")
        return _Storage(values)


def _untagged(value: Any, tag: str) -> Any:
    return value


def _array(
    storage: _Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: Any
) -> NDArray[Any]:
    values = storage.values
    n_needed = 1 + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
    if min((*shape, *stride, 1)) < 0 or not 0 <= offset <= len(values) - n_needed:
        raise pickle.UnpicklingError("an array reaches beyond its numbers")
    steps = [step * values.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(values[offset:], shape, steps).copy()


def _arrays(content: Any, path: str) -> Iterator[tuple[str, NDArray[Any]]]:
    if isinstance(content, np.ndarray):
        yield path, content
    elif isinstance(content, dict):
        for name, value in content.items():
            yield from _arrays(value, f"{path}.{name}" if path else str(name))
