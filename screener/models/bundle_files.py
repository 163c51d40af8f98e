"""The files of a bundle: `model.safetensors` and `card.json` in one folder.

No pickle is read, ever. Reading checks the schema of the card, and that the arrays are those that
it was written for; what the model predicts is checked in `bundle`.
"""

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from screener.errors import ConfigError, SchemaError, StoreError
from screener.models import card_v2
from screener.models.card import SCHEMA_VERSION, Card
from screener.models.shipped import DEFAULT_BUNDLES, shipped_bundles, shipped_folder
from screener.stores.files import Folder

log = logging.getLogger(__name__)

Arrays = dict[str, NDArray[Any]]

MODEL, CARD = "model.safetensors", "card.json"


@dataclass(frozen=True, slots=True)
class BundleFiles:
    """The bytes of both files of a bundle.

    Args:
        url: of the folder.
        model: of `model.safetensors`.
        card: of `card.json`.
    """

    url: str
    model: bytes
    card: bytes

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over both files."""
        parts = hashlib.sha256(self.model).digest() + hashlib.sha256(self.card).digest()
        return hashlib.sha256(parts).hexdigest()

    def checked(self) -> tuple[Card, Arrays]:
        """The card and the arrays that it is about.

        Raises:
            SchemaError: the card is of a version that is not read here, or none; the model is not
                the file or has not the arrays that the card was written for.
        """
        values = _card_values(self.url, self.card)
        if hashlib.sha256(self.model).hexdigest() != values.get("model_sha256"):
            raise SchemaError(
                f"{self.url}/{MODEL} is broken: it is not the file that {CARD} was written for"
            )
        arrays = _arrays(self.url, self.model)
        card = _card(self.url, values, arrays)
        _check_shapes(self.url, card, arrays)
        return card, arrays


def folder_of(name_or_path: str | Path) -> Folder:
    """The folder of a bundle.

    Args:
        name_or_path: name of a shipped bundle, or a path or URL.
    Raises:
        ConfigError: there is no such bundle.
    """
    name = str(name_or_path)
    shipped = shipped_bundles()
    folder = Folder(shipped_folder(name) if name in shipped else name)
    if not folder.exists(CARD):
        raise ConfigError(
            f"there is no bundle {name}: shipped are {', '.join(shipped) or 'none'}; "
            f"the levels {' and '.join(DEFAULT_BUNDLES)} have one as stages of a campaign; "
            f"a path must lead to a folder with {CARD} and {MODEL}"
        )
    return folder


def read_files(folder: Folder) -> BundleFiles:
    """Both files of a bundle.

    Raises:
        SchemaError: one is missing.
    """
    try:
        return BundleFiles(folder.url, folder.read_bytes(MODEL), folder.read_bytes(CARD))
    except StoreError as error:
        raise SchemaError(f"the bundle is incomplete: {error}") from error


def read_card(name_or_path: str | Path) -> Card:
    """The card of a bundle, without its model.

    Raises:
        ConfigError: there is no such bundle.
        SchemaError: its schema is of another version, or it is no card.
    """
    folder = folder_of(name_or_path)
    text = folder.read_bytes(CARD)
    values = _card_values(folder.url, text)
    if values["schema_version"] == SCHEMA_VERSION:
        return _card(folder.url, values)
    return _card(folder.url, values, _arrays(folder.url, folder.read_bytes(MODEL)))


def write_files(folder: str | Path, card: Card, arrays: Arrays) -> None:
    """Write a card and the arrays it is about.

    Args:
        folder: made if missing; its two files are replaced.
        card: but for `shapes` and `model_sha256`.
        arrays: of the model and of the golden structures.
    Raises:
        StoreError: the folder cannot be written.
    """
    # safetensors writes memory as it lies, whatever the order of the axes
    model = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    card = card.model_copy(
        update={"shapes": _shapes(arrays), "model_sha256": hashlib.sha256(model).hexdigest()}
    )
    target = Folder(str(folder))
    target.write_bytes(MODEL, model)
    target.write_bytes(CARD, (card.model_dump_json(indent=1) + "\n").encode())


def _arrays(url: str, model: bytes) -> Arrays:
    try:
        arrays: Arrays = load(model)
    except SafetensorError as error:
        raise SchemaError(f"{url}/{MODEL} is not a safetensors file: {error}") from error
    return arrays


def _shapes(arrays: Arrays) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in sorted(arrays.items())}


def _check_shapes(url: str, card: Card, arrays: Arrays) -> None:
    """Raises SchemaError unless the arrays are those of the card, by name and shape."""
    shapes = _shapes(arrays)
    for name in sorted({*shapes, *card.shapes}):
        stored, expected = shapes.get(name), card.shapes.get(name)
        if stored != expected:
            has = "no" if stored is None else f"shape {stored} of"
            wants = "none" if expected is None else f"shape {expected}"
            raise SchemaError(f"{url}/{MODEL} has {has} array {name}, its card says {wants}")


def _card_values(url: str, text: bytes) -> dict[str, Any]:
    """The values of a card of a version that is read here."""
    try:
        values = json.loads(text)
        version = values["schema_version"] if isinstance(values, dict) else None
    except (ValueError, KeyError) as error:
        raise SchemaError(f"{url}/{CARD} is not the card of a bundle: {error}") from error
    if version not in (SCHEMA_VERSION, card_v2.VERSION):
        raise SchemaError(
            f"bundle {url} has schema version {version}, this version of screener reads "
            f"{SCHEMA_VERSION} and {card_v2.VERSION}: train it again with `screener train`"
        )
    return dict(values)


def _card(url: str, values: dict[str, Any], arrays: Arrays | None = None) -> Card:
    """The card; `arrays` are needed for one of the version before."""
    try:
        if values["schema_version"] == card_v2.VERSION:
            log.warning(
                "bundle %s is of schema version %d and read as one of %d; train it again before "
                "the next version",
                url,
                card_v2.VERSION,
                SCHEMA_VERSION,
            )
            values = card_v2.upgraded(values, _shapes(arrays or {}))
        return Card.model_validate(values)
    except (ValidationError, ConfigError, KeyError, TypeError, AttributeError) as error:
        raise SchemaError(f"{url}/{CARD} is not the card of a bundle: {error}") from error
