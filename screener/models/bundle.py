"""Bundles: a trained model with its card, ready to predict.

What the files of a bundle are and how they are checked stands in `bundle_files`. Here the model is
made of them, and loading it checks that the golden predictions come out again.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screener.errors import ConfigError, SchemaError, StoreError
from screener.models.bundle_files import CARD, Arrays, folder_of, read_files, write_files
from screener.models.card import Card
from screener.models.drawing_predictor import DrawingPredictor
from screener.models.ladder.arrays import GOLDEN_LOW, ladder_from_arrays
from screener.models.ladder.predictor import LadderPredictor
from screener.models.predictor import Predictor
from screener.models.registry import model_type
from screener.models.stored_structures import golden_from_arrays
from screener.models.uncertainty.domain import Domain, DrawingDomain
from screener.records import Structure
from screener.stores.files import Folder

FloatArray = NDArray[np.float64]
AnyPredictor = Predictor | DrawingPredictor | LadderPredictor

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
    write_files(folder, card, arrays)
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
    folder = folder_of(name_or_path)
    return _load(folder.url, read_files(folder).digest, device)


@lru_cache(maxsize=4)
def _load(url: str, digest: str, device: str) -> Bundle:
    content = read_files(Folder(url))
    if content.digest != digest:
        raise SchemaError(f"bundle {url} was replaced while it was read; try again")
    card, arrays = content.checked()
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
