"""Bundles: a trained model on disk, `model.safetensors` and `card.json` in one folder.

No pickle is read, ever. Loading checks the card's schema, that the arrays are those the card was
written for, and that the golden predictions come out again.
"""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from screener.errors import ConfigError, SchemaError, StoreError
from screener.models import card_v2
from screener.models.card import SCHEMA_VERSION, Card
from screener.models.drawing_predictor import DrawingPredictor
from screener.models.ladder.arrays import GOLDEN_LOW, ladder_from_arrays
from screener.models.ladder.predictor import LadderPredictor
from screener.models.predictor import Predictor
from screener.models.registry import model_type
from screener.models.shipped import shipped_bundles, shipped_folder
from screener.models.stored_structures import golden_from_arrays
from screener.models.uncertainty.domain import Domain, DrawingDomain
from screener.records import Structure
from screener.stores.files import Folder

log = logging.getLogger(__name__)

Arrays = dict[str, NDArray[Any]]
FloatArray = NDArray[np.float64]
AnyPredictor = Predictor | DrawingPredictor | LadderPredictor

MODEL, CARD = "model.safetensors", "card.json"

# Golden predictions come out again within this, in the unit of their column: other processors round
# differently.
TOLERANCE = 1e-3
STD_TOLERANCE = 1e-2  # of a std and the interval made of it, relative


class Bundle:
    """A trained model with its card; made by `load_bundle`.

    Args:
        card: what the model says about itself.
        predictor: the model, ready.
        digest: SHA-256 (hex) over both files.
    """

    def __init__(self, card: Card, predictor: AnyPredictor, digest: str) -> None:
        self.card = card
        self.predictor = predictor
        self.digest = digest

    def __repr__(self) -> str:
        return f"Bundle({self.card.name!r}, geometry level {self.card.geometry_level})"

    def require_geometry(self, level: str) -> None:
        """Raises ConfigError unless structures of geometry level `level` are what the model was
        fitted on."""
        if level != self.card.geometry_level:
            raise ConfigError(
                f"bundle {self.card.name} is for structures at geometry level "
                f"{self.card.geometry_level}, not {level}"
            )

    def is_the_one(self, digest: str) -> bool:
        """Whether a digest names this bundle, or one of before that predicts the same."""
        return digest == self.digest or digest in self.card.same_as

    @property
    def structure_domain(self) -> Domain:
        """What is inside, of a bundle that reads structures.

        Raises:
            ConfigError: it reads drawings.
        """
        domain = self.predictor.domain
        if not isinstance(domain, Domain):
            raise ConfigError(f"bundle {self.card.name} reads drawings, and structures are given")
        return domain

    def predict(
        self,
        molecules: Sequence[Structure] | Sequence[str],
        low: Mapping[str, FloatArray] | None = None,
    ) -> pa.Table:
        """Predictions, one row per molecule, in order.

        Args:
            molecules: structures at the card's geometry level; canonical SMILES where the card
                reads drawings.
            low: for a rung whose low level is not computed here: its values, (n,) by column.
        Returns:
            columns as of `Predictor.predict`, of `DrawingPredictor.predict` where the card reads
            drawings, and of `LadderPredictor.predict` where it has routes.
        Raises:
            ConfigError: structures are given where drawings are read, or the other way round; low
                values are given where they are computed, or are missing.
        """
        reads_drawings = isinstance(self.predictor, DrawingPredictor)
        if any(isinstance(each, str) != reads_drawings for each in molecules):
            wanted = "SMILES" if reads_drawings else "structures"
            raise ConfigError(f"bundle {self.card.name} reads {self.card.reads}: give it {wanted}")
        if isinstance(self.predictor, DrawingPredictor):
            if low is not None:
                raise ConfigError(f"bundle {self.card.name} is not given low values")
            return self.predictor.predict(cast(Sequence[str], molecules))
        structures = cast(Sequence[Structure], molecules)
        if isinstance(self.predictor, LadderPredictor):
            return self.predictor.predict(structures, low)
        if low is not None:
            raise ConfigError(f"bundle {self.card.name} is not given low values")
        return self.predictor.predict(structures)


def write_bundle(folder: str | Path, card: Card, arrays: Arrays) -> Bundle:
    """Write a card and the arrays it is about, and load them.

    Args:
        folder: made if missing; its two files are replaced.
        card: but for `shapes` and `model_sha256`.
        arrays: of the model and of the golden structures.
    Returns:
        the bundle, loaded from the folder.
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
    return load_bundle(folder)


def load_bundle(name_or_path: str | Path, device: str = "cpu") -> Bundle:
    """A bundle of the package by its name, or any by its path or URL; loaded once per process.

    Args:
        name_or_path: such as `qm9-mmff94-direct`, or a folder.
        device: of torch, such as `cpu` or `cuda`.
    Raises:
        ConfigError: there is no such bundle.
        SchemaError: its schema is of another version, a file is broken, or the golden predictions
            do not come out.
    """
    folder = _folder(name_or_path)
    return _load(folder.url, _digest(*_read(folder)), device)


def read_card(name_or_path: str | Path) -> Card:
    """The card of a bundle, without its model.

    Raises:
        ConfigError: there is no such bundle.
        SchemaError: its schema is of another version, or it is no card.
    """
    folder = _folder(name_or_path)
    text = folder.read_bytes(CARD)
    values = _card_values(folder.url, text)
    if values["schema_version"] == SCHEMA_VERSION:
        return _card(folder.url, values)
    return _card(folder.url, values, _arrays(folder.url, folder.read_bytes(MODEL)))


def _folder(name_or_path: str | Path) -> Folder:
    name = str(name_or_path)
    shipped = shipped_bundles()
    folder = Folder(shipped_folder(name) if name in shipped else name)
    if not folder.exists(CARD):
        raise ConfigError(
            f"there is no bundle {name}: shipped are {', '.join(shipped) or 'none'}; "
            f"a path must lead to a folder with {CARD} and {MODEL}"
        )
    return folder


def _read(folder: Folder) -> tuple[bytes, bytes]:
    try:
        return folder.read_bytes(MODEL), folder.read_bytes(CARD)
    except StoreError as error:
        raise SchemaError(f"the bundle is incomplete: {error}") from error


def _digest(model: bytes, card: bytes) -> str:
    parts = hashlib.sha256(model).digest() + hashlib.sha256(card).digest()
    return hashlib.sha256(parts).hexdigest()


@lru_cache(maxsize=4)
def _load(url: str, digest: str, device: str) -> Bundle:
    model, text = _read(Folder(url))
    if _digest(model, text) != digest:
        raise SchemaError(f"bundle {url} was replaced while it was read; try again")
    values = _card_values(url, text)
    if hashlib.sha256(model).hexdigest() != values.get("model_sha256"):
        raise SchemaError(
            f"{url}/{MODEL} is broken: it is not the file that {CARD} was written for"
        )
    arrays = _arrays(url, model)
    card = _card(url, values, arrays)
    _check_shapes(url, card, arrays)
    try:
        bundle = Bundle(card, _predictor(url, card, arrays, device), digest)
    except ConfigError as error:
        raise SchemaError(f"bundle {url} cannot be used here: {error}") from error
    try:
        rows = golden_rows(bundle.predict(*_golden(card, arrays)))
    except ConfigError as error:
        raise SchemaError(f"{url} lacks what its golden predictions need: {error}") from error
    _check_golden(url, card, rows)
    return bundle


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
        stored, told = shapes.get(name), card.shapes.get(name)
        if stored != told:
            has = "no" if stored is None else f"shape {stored} of"
            wants = "none" if told is None else f"shape {told}"
            raise SchemaError(f"{url}/{MODEL} has {has} array {name}, its card says {wants}")


def _golden(
    card: Card, arrays: Arrays
) -> tuple[Sequence[Structure] | Sequence[str], dict[str, FloatArray] | None]:
    """What golden predictions are of, and the low values that they are given."""
    if card.reads == "drawings":
        return card.golden_smiles, None
    if card.given_low is None:
        return golden_from_arrays(arrays), None
    if GOLDEN_LOW not in arrays:
        raise SchemaError(f"the model has no array {GOLDEN_LOW}")
    return golden_from_arrays(arrays), {card.given_low: arrays[GOLDEN_LOW]}


def _predictor(url: str, card: Card, arrays: Arrays, device: str) -> AnyPredictor:
    if card.routes:
        return ladder_from_arrays(card, arrays, _first(url, card, device), device)
    kind = model_type(card.model)
    model = kind.from_arrays(arrays, card.description())
    calibration = {name: quantity.calibration for name, quantity in card.quantities.items()}
    if kind.reads != card.reads:
        raise SchemaError(f"bundle {card.name} reads {card.reads}, {kind.name} reads {kind.reads}")
    if kind.reads == "drawings" and isinstance(card.domain, DrawingDomain):
        return DrawingPredictor(
            card.model, model, card.targets(), calibration, card.domain, device=device
        )
    if kind.reads == "structures" and isinstance(card.domain, Domain):
        return Predictor(
            card.model,
            model,
            card.targets(),
            calibration,
            card.domain,
            geometry_level=card.geometry_level,
            device=device,
        )
    raise SchemaError(
        f"the domain of bundle {card.name} is none of a model that reads {card.reads}"
    )


def _first(url: str, card: Card, device: str) -> Predictor | None:
    if card.first is None:
        return None
    store, is_url, _ = card.first.bundle.partition("://")
    if is_url and store != url.partition("://")[0]:  # whoever wrote the card may not send us there
        raise SchemaError(
            f"{url}/{CARD} names its first rung in another store, {card.first.bundle}; train the "
            "bundle again on one that lies in the same store or on this machine"
        )
    first = load_bundle(card.first.bundle, device)
    if first.card.model_sha256 != card.first.model_sha256:
        raise SchemaError(
            f"bundle {card.name} stands on another {card.first.bundle} than the one that is here: "
            "train it again with `screener train`"
        )
    if not isinstance(first.predictor, Predictor):
        raise SchemaError(
            f"bundle {card.name} cannot stand on {card.first.bundle}, which is a ladder itself or "
            "reads drawings"
        )
    return first.predictor


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


def golden_rows(table: pa.Table) -> list[dict[str, float | bool | None]]:
    """Golden predictions of a table."""
    rows: list[dict[str, float | bool | None]] = table.drop_columns(
        ["domain_reasons", "geometry_level"]
    ).to_pylist()
    return rows


def _check_golden(url: str, card: Card, rows: Sequence[dict[str, float | bool | None]]) -> None:
    if len(card.golden) != len(rows):
        raise SchemaError(
            f"bundle {url} has {len(rows)} golden molecules, its card {len(card.golden)} "
            f"predictions of them"
        )
    for number, (old, new) in enumerate(zip(card.golden, rows, strict=True)):
        for column, before in old.items():
            now = new.get(column)
            if isinstance(before, float) and isinstance(now, float):
                allowed = TOLERANCE
                if column.endswith(("_std", "_lo90", "_hi90")):
                    std = old[f"{column.rsplit('_', 1)[0]}_std"]
                    allowed += STD_TOLERANCE * (std if isinstance(std, float) else 0.0) * 4
                same = abs(now - before) <= allowed
            else:
                same = now == before
            if not same:
                raise SchemaError(
                    f"bundle {url} does not give its golden predictions here: {column} of "
                    f"molecule {number} is {now}, the card says {before}"
                )


@lru_cache(maxsize=4)
def open_bundle(path: str, digest: str, device: str = "cpu") -> Bundle:
    """The bundle, loaded once per process and device.

    Args:
        path: name of a shipped bundle, or a path or URL.
        digest: that it must have.
        device: of torch.
    Returns:
        the bundle.
    Raises:
        StoreError: it is not the one that the campaign was started with.
    """
    bundle = load_bundle(path, device)
    if not bundle.is_the_one(digest):
        raise StoreError(f"the bundle {path} is another one here than where the campaign started")
    return bundle
