"""Training of SchNet: minibatches, schedule, averaged weights, and a state to go on from.

Every minibatch is cut into the same number of shares, whose gradients are added in order, so that
a run gives the same weights with as many threads as there are shares or fewer. The table of filters
is made once a step; shares send their gradients back to it, and it sends the sum on to the filter
networks. Batches of an epoch follow from the seed and the epoch's number. No files, no clock.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import cos, pi
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, NonNegativeFloat, PositiveFloat, PositiveInt

from screener.dense import packed
from screener.errors import ConfigError
from screener.models.schnet.neighbours import ROWS, Neighbours, batch
from screener.models.schnet.network import SchNet, SchNetSettings

STATE = "state"  # of a checkpoint, among the names of its arrays
SHARE_ROWS = 32  # atoms of a share are padded to a multiple; 512 cost a third of the time

FloatArray = NDArray[np.float64]
Weights = dict[str, torch.Tensor]


class TrainingSettings(BaseModel):
    """How a network is trained; the length decides the schedule, so it is part of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: SchNetSettings
    loss_weights: tuple[NonNegativeFloat, ...]  # one for each target
    n_epochs: PositiveInt
    batch_size: PositiveInt = 64
    learning_rate: PositiveFloat = 1e-3  # largest
    warm_up: NonNegativeFloat = 0.02  # share of all steps until it is reached; a cosine follows
    weight_decay: NonNegativeFloat = 0.0
    largest_gradient: PositiveFloat = 1.0  # norm beyond which a step's gradient is shortened
    averaging: PositiveFloat = 0.999  # of the weights, share that a step keeps
    linear_beyond: PositiveFloat = 0.02  # standardised error from which the loss is no square
    patience: PositiveInt = 1_000_000  # epochs without a better selection until it ends
    n_shares: PositiveInt = 2
    seed: int = 0
    device: str = "cpu"


@dataclass(frozen=True, slots=True, eq=False)
class LabelledNeighbours:
    """Molecules with standardised targets, float64 (n, n_targets)."""

    molecules: Neighbours
    targets: FloatArray

    def __post_init__(self) -> None:
        if len(self.targets) != len(self.molecules) or not np.isfinite(self.targets).all():
            raise ConfigError("every molecule of a training set needs finite targets")


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """Where a training stands after a step."""

    step: int  # steps done
    n_steps: int  # of the whole training
    epoch: int  # epochs done
    n_molecules: int  # met so far, again in every epoch
    loss: float  # of this step
    selection_mae: tuple[float, ...] | None  # standardised, of the averages, after an epoch


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """Everything a training goes on from."""

    arrays: dict[str, NDArray[Any]]
    state: dict[str, Any]  # JSON values

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The same as arrays alone, as `progress` keeps them."""
        text = np.frombuffer(json.dumps(self.state).encode(), dtype=np.uint8)
        return {**self.arrays, STATE: text}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> "Checkpoint":
        """The inverse."""
        others = {name: array for name, array in arrays.items() if name != STATE}
        return cls(others, json.loads(arrays[STATE].tobytes()))


class Training:
    """One training, at some step of it.

    Args:
        fit: molecules that are learned.
        selection: molecules on which the best weights are chosen.
        settings: see there.
        checkpoint: of the same training, to go on from.
    Raises:
        ConfigError: the checkpoint is of other settings.
    """

    def __init__(
        self,
        fit: LabelledNeighbours,
        selection: LabelledNeighbours,
        settings: TrainingSettings,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self.settings = settings
        self._fit, self._selection = fit, selection
        self._device = torch.device(settings.device)
        generator = torch.Generator().manual_seed(settings.seed)
        self.network = SchNet(settings.network, generator).to(self._device)
        self._parameters = dict(self.network.named_parameters())
        self._average = self._copy()
        self._best = self._copy()
        self._optimizer = torch.optim.AdamW(
            self._parameters.values(), weight_decay=settings.weight_decay, fused=True
        )
        self._step = 0
        self._best_score, self._best_epoch = float("inf"), 0
        self._seen_by = halves(len(fit.targets), settings.network.n_members, settings.seed)
        self._targets = torch.from_numpy(fit.targets)
        self._loss_weights = torch.tensor(settings.loss_weights, dtype=torch.float64)
        if checkpoint is not None:
            self._restore(checkpoint)

    @property
    def _steps_per_epoch(self) -> int:
        return max(1, len(self._targets) // self.settings.batch_size)

    @property
    def n_steps(self) -> int:
        """Steps of the whole training."""
        return self.settings.n_epochs * self._steps_per_epoch

    @property
    def n_molecules(self) -> int:
        """Molecules met so far, again in every epoch."""
        return self._step * len(self._targets) // self._steps_per_epoch

    def run(self) -> Iterator[Step]:
        """Do the steps that are left, one for each item; a checkpoint can be taken at any."""
        with ThreadPoolExecutor(
            self.settings.n_shares, initializer=torch.set_num_threads, initargs=(1,)
        ) as pool:
            while self._step < self.n_steps:
                epoch, number = divmod(self._step, self._steps_per_epoch)
                if epoch - self._best_epoch >= self.settings.patience:
                    return
                order = np.random.default_rng([self.settings.seed, epoch]).permutation(
                    len(self._targets)
                )
                batches = np.array_split(order, self._steps_per_epoch)
                for rows in batches[number:]:
                    loss = self._take_step(pool, rows)
                    done, left = divmod(self._step, self._steps_per_epoch)
                    mae = self._select(pool, done) if left == 0 else None
                    yield Step(self._step, self.n_steps, done, self.n_molecules, loss, mae)

    def best(self) -> Weights:
        """The averaged weights that were best on the selection set."""
        return {name: value.clone() for name, value in self._best.items()}

    def checkpoint(self) -> Checkpoint:
        """The state after the last step."""
        parts: dict[str, Weights] = {
            "weights": self._copy(),
            "average": self._average,
            "best": self._best,
        }
        for moment in ("exp_avg", "exp_avg_sq") if self._step else ():
            parts[moment] = {
                name: self._optimizer.state[parameter][moment]
                for name, parameter in self._parameters.items()
            }
        arrays = {
            f"{part}.{name}": value.cpu().numpy().copy()
            for part, values in parts.items()
            for name, value in values.items()
        }
        state = {
            "settings": self.settings.model_dump(mode="json"),
            "step": self._step,
            "best_score": self._best_score if np.isfinite(self._best_score) else None,
            "best_epoch": self._best_epoch,
        }
        return Checkpoint(arrays, state)

    def _restore(self, checkpoint: Checkpoint) -> None:
        state = checkpoint.state
        if TrainingSettings.model_validate(state["settings"]) != self.settings:
            raise ConfigError("the checkpoint is of a training with other settings")

        def part(name: str) -> Weights:
            return {
                key: torch.from_numpy(checkpoint.arrays[f"{name}.{key}"]).to(self._device).clone()
                for key in self._parameters
            }

        self.network.load_state_dict(part("weights"))
        self._average, self._best = part("average"), part("best")
        self._step, self._best_epoch = int(state["step"]), int(state["best_epoch"])
        if state["best_score"] is not None:
            self._best_score = float(state["best_score"])
        if self._step:
            moments = {name: part(name) for name in ("exp_avg", "exp_avg_sq")}
            self._optimizer.load_state_dict(
                {
                    "param_groups": self._optimizer.state_dict()["param_groups"],
                    "state": {
                        number: {
                            "step": torch.tensor(float(self._step)),
                            **{name: moment[key] for name, moment in moments.items()},
                        }
                        for number, key in enumerate(self._parameters)
                    },
                }
            )

    def _copy(self) -> Weights:
        return {name: value.detach().clone() for name, value in self._parameters.items()}

    def _take_step(self, pool: ThreadPoolExecutor, rows: NDArray[np.int64]) -> float:
        tables = self.network.tables()
        shares = np.array_split(rows, self.settings.n_shares)
        scale = 1.0 / len(rows)
        parts = list(pool.map(lambda share: self._share(share, tables.detach(), scale), shares))
        gradients = [
            sum(of_parts[1:], of_parts[0])
            for of_parts in zip(*(part[1] for part in parts), strict=True)
        ]
        self._optimizer.zero_grad()
        torch.autograd.backward(tables, gradients[0])
        for parameter, gradient in zip(self._outside_tables(), gradients[1:], strict=True):
            parameter.grad = gradient
        torch.nn.utils.clip_grad_norm_(self._parameters.values(), self.settings.largest_gradient)
        for group in self._optimizer.param_groups:
            group["lr"] = self._learning_rate()
        self._optimizer.step()
        self._step += 1
        kept = min(self.settings.averaging, (1 + self._step) / (10 + self._step))
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self._average.values()), list(self._parameters.values()), 1.0 - kept
            )
        return sum(part[0] for part in parts)

    def _share(
        self, rows: NDArray[np.int64], tables: torch.Tensor, scale: float
    ) -> tuple[float, tuple[torch.Tensor, ...]]:
        """Loss of some molecules of a minibatch, times `scale`, and its gradients by the tables
        and by the parameters that are not in them."""
        leaf = tables.requires_grad_()
        molecules = batch(self._fit.molecules, rows, self.settings.device, multiple=SHARE_ROWS)
        outputs = self.network(molecules, leaf)
        where = torch.from_numpy(rows)
        wanted = self._targets[where].to(self._device)[:, :, None].expand_as(outputs)
        errors = torch.nn.functional.smooth_l1_loss(
            outputs, wanted, reduction="none", beta=self.settings.linear_beyond
        )
        seen = self._seen_by[where].to(self._device)[:, None, :]
        weights = self._loss_weights.to(self._device)[None, :, None]
        loss = (errors * seen * weights).sum() * (scale / self.settings.network.n_members)
        gradients = torch.autograd.grad(loss, [leaf, *self._outside_tables()])
        return loss.item(), gradients

    def _outside_tables(self) -> list[torch.nn.Parameter]:
        return [value for name, value in self._parameters.items() if ".filter" not in name]

    def _learning_rate(self) -> float:
        done = (self._step + 1) / self.n_steps
        warm_up = self.settings.warm_up
        if done < warm_up:
            return self.settings.learning_rate * done / warm_up
        return self.settings.learning_rate * (1 + cos(pi * (done - warm_up) / (1 - warm_up))) / 2

    def _select(self, pool: ThreadPoolExecutor, epoch: int) -> tuple[float, ...]:
        """Errors of the averaged weights on the selection set; keeps them if they are the best."""
        network = SchNet(self.settings.network).to(self._device)
        network.load_state_dict(self._average)
        values = evaluate(network, self._selection.molecules, self.settings.device, pool)
        mae = np.abs(values.mean(axis=2) - self._selection.targets).mean(axis=0)
        score = float(mae @ np.array(self.settings.loss_weights))
        if score < self._best_score:
            self._best_score, self._best_epoch = score, epoch
            self._best = {name: value.clone() for name, value in self._average.items()}
        return tuple(mae.tolist())


def evaluate(
    network: SchNet, molecules: Neighbours, device: str, pool: ThreadPoolExecutor
) -> FloatArray:
    """Outputs float64 (n, n_targets, n_members), the same bytes in whatever company.

    Args:
        network: whose outputs are wanted.
        molecules: neighbour lists of n molecules.
        device: of torch.
        pool: of threads that make batches.
    Returns:
        float64 (n, n_targets, n_members).
    """

    def part(block: slice) -> FloatArray:
        with torch.no_grad():
            outputs = network(batch(molecules, np.arange(len(molecules))[block], device), tables)
        values: FloatArray = outputs.cpu().numpy()
        return values

    with torch.no_grad():
        tables = network.tables()
    blocks = packed(np.diff(molecules.atom_offsets), ROWS)
    settings = network.settings
    empty = np.empty((0, settings.n_targets, settings.n_members))
    return np.concatenate([empty, *pool.map(part, blocks)])


def halves(n_molecules: int, n_members: int, seed: int) -> torch.Tensor:
    """How much every molecule counts in every member's loss.

    Every molecule is learned by a random half of the members, counted twice, so that members
    differ; a single member learns all.

    Args:
        n_molecules: that are learned.
        n_members: that learn them.
        seed: of the draw.
    Returns:
        float64 (n_molecules, n_members).
    """
    if n_members == 1:
        return torch.ones((n_molecules, 1), dtype=torch.float64)
    draws = np.random.default_rng([seed, 1, 0]).random((n_molecules, n_members))
    chosen = draws.argsort(axis=1) < n_members // 2
    return torch.from_numpy(chosen * (n_members / (n_members // 2)))
