"""The stream of molecules of a space, without duplicates, the same for any number of processes.

The families take turns, the templates of a family take turns within it, and the draws of each
template come in a shuffled order. Any beginning of the stream is therefore spread over all families
and templates. Processes make blocks of draws into molecules; the blocks come back in order, and
molecules that occurred before are dropped. The first n molecules are the same whatever the limit.
"""

import multiprocessing
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import pyarrow as pa
from rdkit import rdBase

from screener.chemistry.identity import mol_id
from screener.enumeration.limits import Judge
from screener.enumeration.seen import Digests, EvenSample, Seen
from screener.enumeration.space import Space
from screener.errors import ScreenerError
from screener.waiting import waiting as notices_of_waiting

SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("smiles", "id", "family", "scaffold", "parts")]
)
BLOCK_DRAWS = 1024
BARREN_BLOCKS = 100  # the stream ends after so many blocks in a row without a new molecule
_WAITING = 3  # blocks per process that are submitted ahead

Turn = tuple[int, int]  # index of the template, number of the draw


@dataclass
class Tally:
    """What happened to all molecules made so far.

    `n_made` = `n_kept` + `n_duplicates` + the sum of `refused` + `n_beyond`. The last are new
    molecules of the block in which the limit was reached.
    """

    n_made: int = 0
    n_duplicates: int = 0
    n_beyond: int = 0
    refused: Counter[str] = field(default_factory=Counter)  # by reason
    kept: Counter[str] = field(default_factory=Counter)  # by family
    ended: str = ""  # why the stream ended; empty while it runs

    @property
    def n_kept(self) -> int:
        """How many molecules the stream has given."""
        return sum(self.kept.values())


@dataclass(frozen=True, slots=True)
class _Block:
    table: pa.Table  # molecules inside the limits
    digests: Digests
    n_made: int
    refused: Counter[str]


def turns(space: Space) -> Iterator[Turn]:
    """All draws in the order of the stream.

    The families take turns, and so do the templates of a family, until each has no draws left. In
    one turn a template gets `draws_per_turn` draws. A symmetric scaffold gets more, because several
    of its draws give the same molecule; otherwise its molecules would be rarer than others.
    """
    waiting = {
        family: deque(k for k, each in enumerate(space.templates) if each.family == family)
        for family in space.families
    }
    n_drawn = [0] * len(space.templates)
    while waiting:
        for family in list(waiting):
            k = waiting[family].popleft()
            size, end = space.templates[k].size, n_drawn[k] + space.templates[k].draws_per_turn
            end = end if size is None else min(size, end)
            yield from ((k, number) for number in range(n_drawn[k], end))
            n_drawn[k] = end
            if size is None or end < size:
                waiting[family].append(k)
            elif not waiting[family]:
                del waiting[family]


class Stream:
    """The molecules of a space as tables of `SCHEMA`; can be iterated over once.

    The `id` of a molecule is `c` and 16 hexadecimal digits that depend on its SMILES alone, so a
    molecule has the same id in every stream.

    Args:
        space: the templates to draw from.
        seed: seed of the shuffled order.
        limit: the most molecules to give.
        n_processes: how many processes make molecules; 1 makes them in this process.
        n_sample: size of the random sample of molecules that is kept in `sample`.
    """

    def __init__(
        self, space: Space, *, seed: int, limit: int, n_processes: int = 1, n_sample: int = 0
    ) -> None:
        self.tally = Tally()
        self.sample = EvenSample(n_sample)
        self._space = space
        self._seed = seed
        self._limit = limit
        self._n_processes = n_processes
        self._seen = Seen()

    def __iter__(self) -> Iterator[pa.Table]:
        """Run the stream.

        Raises:
            ScreenerError: a process that makes molecules died.
        """
        barren = 0
        with _blocks(self._space, self._seed, self._n_processes) as blocks:
            for block in blocks:
                new = self._new_of(block)
                if len(new):
                    yield new
                barren = 0 if len(new) else barren + 1
                if self.tally.n_kept == self._limit:
                    self.tally.ended = "as many as were asked for"
                    return
                if barren == BARREN_BLOCKS:
                    self.tally.ended = (
                        f"the last {BARREN_BLOCKS * BLOCK_DRAWS:,} draws gave nothing new"
                    )
                    return
        self.tally.ended = "all draws are done"

    def _new_of(self, block: _Block) -> pa.Table:
        tally = self.tally
        new = np.flatnonzero(self._seen.add(block.digests))
        kept = new[: self._limit - tally.n_kept]
        table = block.table.take(pa.array(kept))
        tally.n_made += block.n_made
        tally.refused += block.refused
        tally.n_beyond += len(new) - len(kept)
        tally.n_duplicates += len(block.digests) - len(new)
        tally.kept.update(table["family"].to_pylist())
        self.sample.add(block.digests[kept], table["smiles"].to_pylist())
        return table


class _Maker:
    """Makes blocks of draws into molecules, in one process."""

    def __init__(self, space: Space, seed: int) -> None:
        self._space = space
        self._seed = seed
        self._judge = Judge(space.limits)

    def __call__(self, block: list[Turn]) -> _Block:
        judge = self._judge
        judge.forget_counts()
        rows = []
        with rdBase.BlockLogs():
            for k, number in block:
                template = self._space.templates[k]
                for smiles, scaffold, parts in template.draw(number, self._seed, judge):
                    identity = mol_id(smiles)[:16]
                    rows.append((smiles, identity, template.family, scaffold, parts))
        columns = list(zip(*rows, strict=True)) or [()] * len(SCHEMA)
        digests = np.frombuffer(bytes.fromhex("".join(columns[1])), dtype=">u8")
        columns[1] = tuple(f"c{identity}" for identity in columns[1])
        return _Block(
            table=pa.table([pa.array(each, pa.string()) for each in columns], schema=SCHEMA),
            digests=digests.astype(np.uint64),
            n_made=judge.n_judged,
            refused=judge.refused,
        )


def beginning(space: Space, seed: int) -> list[str]:
    """The molecules of the first block of draws, in this process: what a stream begins with.

    Families and templates take turns and draws are shuffled, so they stand for the whole space.

    Args:
        space: the templates to draw from.
        seed: seed of the shuffled order.
    Returns:
        SMILES, each once; none where the block has no molecule inside the limits.
    """
    block = _Maker(space, seed)(list(islice(turns(space), BLOCK_DRAWS)))
    return list(dict.fromkeys(block.table["smiles"].to_pylist()))


@contextmanager
def _blocks(space: Space, seed: int, n_processes: int) -> Iterator[Iterator[_Block]]:
    """The blocks in order; `_WAITING` per process are being made ahead."""
    every = turns(space)
    portions = iter(lambda: list(islice(every, BLOCK_DRAWS)), [])
    if n_processes == 1:
        yield map(_Maker(space, seed), portions)
        return
    pool = ProcessPoolExecutor(
        n_processes, multiprocessing.get_context("spawn"), _start, (space, seed)
    )
    try:
        yield _in_order(pool, portions, _WAITING * n_processes)
    except BrokenProcessPool as error:
        raise ScreenerError(
            "a process that made molecules was lost, perhaps for want of memory; run the same "
            "command again, with fewer --workers"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _in_order(
    pool: ProcessPoolExecutor, portions: Iterator[list[Turn]], window: int
) -> Iterator[_Block]:
    waiting: deque[Future[_Block]] = deque()
    for portion in portions:
        waiting.append(pool.submit(_make, portion))
        if len(waiting) == window:
            yield _ended(waiting.popleft())
    while waiting:
        yield _ended(waiting.popleft())


def _ended(block: "Future[_Block]") -> _Block:
    with notices_of_waiting(
        "processes to make molecules",
        "They start a Python each, which takes long on a cold network file system; fewer --workers "
        "start sooner.",
    ):
        return block.result()


_maker: _Maker | None = None  # of a process of the pool


def _start(space: Space, seed: int) -> None:
    global _maker
    _maker = _Maker(space, seed)


def _make(block: list[Turn]) -> _Block:
    assert _maker is not None
    return _maker(block)
