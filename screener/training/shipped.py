"""How each bundle that ships is trained."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from screener.training.g4mp2.train import TRAINERS as TO_G4MP2
from screener.training.orbitals.train import TRAINERS as OF_ORBITALS
from screener.training.qm9.train import RECIPES, train

# by name of the bundle; each fits, judges and writes it into a folder
TRAINERS: Mapping[str, Callable[[Path], object]] = {
    **{recipe.name: partial(train, recipe) for recipe in RECIPES},
    **TO_G4MP2,
    **OF_ORBITALS,
}
