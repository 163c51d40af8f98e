"""Bundles: a trained model with its card.

What the files of a bundle are and how they are checked stands in `bundle_files`. The model itself
is made of them in `bundle_model`, once it is asked for: whoever plans a campaign or reads its
results needs the card alone, and no torch.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screener.errors import ConfigError, SchemaError, StoreError
from screener.models.bundle_files import Arrays, folder_of, read_files, write_files
from screener.models.card import Card
from screener.models.uncertainty.domain import Domain
from screener.records import Structure
from screener.stores.files import Folder

if TYPE_CHECKING:
    from screener.models.bundle_model import AnyPredictor

FloatArray = NDArray[np.float64]


class Bundle:
    """A trained model with its card; made by `read_bundle`.

    Args:
        card: what the model says about itself.
        digest: SHA-256 (hex) over both files.
        make: makes the model and checks its golden predictions.
    """

    def __init__(self, card: Card, digest: str, make: "Callable[[], AnyPredictor]") -> None:
        self.card = card
        self.digest = digest
        self._make = make

    def __repr__(self) -> str:
        return f"Bundle({self.card.name!r}, geometry level {self.card.geometry_level})"

    @cached_property
    def predictor(self) -> "AnyPredictor":
        """The model, ready; made when it is first asked for.

        Raises:
            SchemaError: it cannot be made here, or its golden predictions do not come out.
        """
        predictor = self._make()
        del self._make  # and with it the arrays that the model was made of
        return predictor

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
        domain = self.card.domain
        if not isinstance(domain, Domain):
            raise ConfigError(f"bundle {self.card.name} reads drawings, and structures are given")
        return domain

    @cached_property
    def columns(self) -> pa.Schema:
        """The columns of what `predict` returns, which the golden predictions of the card have."""
        if not self.card.golden:
            return self.predict([]).schema
        types = {
            name: pa.bool_() if isinstance(value, bool) else pa.float64()
            for name, value in self.card.golden[0].items()
        }
        return pa.schema({**types, "domain_reasons": pa.string(), "geometry_level": pa.string()})

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
            SchemaError: as of `predictor`.
        """
        predictor = self.predictor
        from screener.models.bundle_model import predicted

        return predicted(predictor, self.card, molecules, low)


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


def read_bundle(name_or_path: str | Path, device: str = "cpu") -> Bundle:
    """A bundle of the package by its name, or any by its path or URL; read once per process.

    Args:
        name_or_path: such as `qm9-mmff94-direct`, or a folder.
        device: of torch, such as `cpu` or `cuda`.
    Returns:
        the bundle, whose model is made when it is first used.
    Raises:
        ConfigError: there is no such bundle.
        SchemaError: its schema is of another version, or a file is broken.
    """
    folder = folder_of(name_or_path)
    return _read(folder.url, read_files(folder).digest, device)


def load_bundle(name_or_path: str | Path, device: str = "cpu") -> Bundle:
    """As `read_bundle`, with the model made and checked.

    Args:
        name_or_path: such as `qm9-mmff94-direct`, or a folder.
        device: of torch, such as `cpu` or `cuda`.
    Raises:
        ConfigError: there is no such bundle.
        SchemaError: its schema is of another version, a file is broken, or the golden predictions
            do not come out.
    """
    bundle = read_bundle(name_or_path, device)
    _ = bundle.predictor
    return bundle


@lru_cache(maxsize=4)
def _read(url: str, digest: str, device: str) -> Bundle:
    content = read_files(Folder(url))
    if content.digest != digest:
        raise SchemaError(f"bundle {url} was replaced while it was read; try again")
    card, arrays = content.checked()

    def make() -> "AnyPredictor":
        from screener.models.bundle_model import checked_predictor

        return checked_predictor(url, card, arrays, device)

    return Bundle(card, digest, make)


@lru_cache(maxsize=4)
def open_bundle(path: str, digest: str, device: str = "cpu") -> Bundle:
    """The bundle, read once per process and device; its model is made when it is first used.

    Args:
        path: name of a shipped bundle, or a path or URL.
        digest: that it must have.
        device: of torch.
    Returns:
        the bundle.
    Raises:
        StoreError: it is not the one that the campaign was started with.
    """
    bundle = read_bundle(path, device)
    if not bundle.is_the_one(digest):
        raise StoreError(f"the bundle {path} is another one here than where the campaign started")
    return bundle
