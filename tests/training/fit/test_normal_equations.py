import numpy as np
import pytest
from model_fixtures import DIRECT, ELEMENTS

from screener.models.fchl.inducing import choose_inducing
from screener.models.fchl.metric import Metric
from screener.models.fchl.projection import fit_projection
from screener.models.fchl.representation import environments
from screener.models.fchl.sparse_kernel import SparseKernel
from screener.models.sparse_gp.posterior import Whitening
from screener.training.fit.data import CHUNK, FitSettings, Prepared, prepare
from screener.training.fit.normal_equations import Features, accumulate
from screener.training.fit.progress import Arrays, NoProgress

SETTINGS = FitSettings(n_inducing=200, n_components=32)


class Killed(Exception):
    """Stands for a process that ends."""


class Memory:
    """Keeps everything, and dies after so many times."""

    def __init__(self, saves: int) -> None:
        self.kept: dict[str, Arrays] = {}
        self.saves = saves

    def load(self, name: str) -> Arrays | None:
        return self.kept.get(name)

    def due(self) -> bool:
        return True

    def save(self, name: str, arrays: Arrays) -> None:
        self.kept[name] = {key: np.array(value) for key, value in arrays.items()}
        self.saves -= 1
        if self.saves == 0:
            raise Killed


@pytest.fixture(scope="module")
def train(qm9) -> Prepared:
    data = qm9.subset(np.arange(2 * CHUNK + 100))
    projection, _ = fit_projection(environments(data.structures[:200], ELEMENTS), 32)
    return prepare(data, Metric.plain(ELEMENTS), projection, DIRECT)


def features(train: Prepared, width: float) -> Features:
    inducing = choose_inducing(train.environments, 200, np.random.default_rng(0))
    kernel = SparseKernel(inducing, width)
    return Features(kernel, Whitening.of(kernel))


def test_an_interrupted_fit_goes_on_and_ends_with_the_same_bytes(train):
    whole = accumulate(features(train, 4.0), train, train.targets, DIRECT.extensive, NoProgress())
    memory = Memory(saves=2)
    with pytest.raises(Killed):
        accumulate(features(train, 4.0), train, train.targets, DIRECT.extensive, memory)
    (kept,) = memory.kept.values()
    assert kept["done"].tolist() == [2 * CHUNK]
    again = accumulate(features(train, 4.0), train, train.targets, DIRECT.extensive, memory)
    for (_, one), (_, other) in zip(whole.kinds, again.kinds, strict=True):
        np.testing.assert_array_equal(np.triu(one.gram), np.triu(other.gram))
        np.testing.assert_array_equal(one.products, other.products)


def test_another_fit_does_not_go_on_from_it(train):
    memory = Memory(saves=-1)
    accumulate(features(train, 4.0), train, train.targets, DIRECT.extensive, memory)
    accumulate(features(train, 4.0), train, train.targets + 1.0, DIRECT.extensive, memory)
    accumulate(features(train, 3.0), train, train.targets, DIRECT.extensive, memory)
    assert len(memory.kept) == 3
