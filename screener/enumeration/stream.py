"""The stream of molecules of a space: without duplicates, the same for any number of processes.

Families take turns, and within a family its templates, each with its own draws in shuffled order,
so that any beginning of the stream is spread over all of them. Blocks of turns are made into
molecules by processes, come back in order, and what came up before is left out. The first n
molecules do not depend on how many are asked for.
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

SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("smiles", "id", "family", "scaffold", "parts")]
)
BLOCK_DRAWS = 1024
BARREN_BLOCKS = 100  # so many in a row without anything new end the stream
_WAITING = 3  # blocks per process

Turn = tuple[int, int]  # template and number of the draw


@dataclass
class Tally:
    """What became of everything that was put together so far.

    `n_made` = `n_kept` + `n_duplicates` + all of `refused` + `n_beyond` (more than was asked for).
    """

    n_made: int = 0
    n_duplicates: int = 0
    n_beyond: int = 0
    refused: Counter[str] = field(default_factory=Counter)  # by reason
    kept: Counter[str] = field(default_factory=Counter)  # by family
    ended: str = ""  # why, when the stream is over

    @property
    def n_kept(self) -> int:
        """Molecules of the stream."""
        return sum(self.kept.values())


@dataclass(frozen=True, slots=True)
class _Block:
    table: pa.Table  # molecules inside the limits
    digests: Digests
    n_made: int
    refused: Counter[str]


def turns(space: Space) -> Iterator[Turn]:
    """Who draws next: families in turn, and the templates of each, until their draws are over.

    A turn is as many draws as symmetry makes of one molecule; else a scaffold would come the less
    often the more symmetric it is.
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
    """Molecules of a space as tables of `SCHEMA`.

    `id` is `c` and 16 hexadecimal digits made from the SMILES alone: a molecule has the same in
    every stream.

    Args:
        space: what is drawn from.
        seed: of the order.
        limit: molecules, at most.
        n_processes: that put molecules together; 1: this one.
        n_sample: molecules of an even sample to keep in `sample`.
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
        """Runs the stream; once.

        Raises:
            ScreenerError: a process was lost.
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
    """Makes blocks of molecules in one process."""

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
                for found in template.draw(number, self._seed, judge):
                    identity = mol_id(found.smiles)[:16]
                    rows.append(
                        (found.smiles, identity, template.family, found.scaffold, found.parts)
                    )
        columns = list(zip(*rows, strict=True)) or [()] * len(SCHEMA)
        digests = np.frombuffer(bytes.fromhex("".join(columns[1])), dtype=">u8")
        columns[1] = tuple(f"c{identity}" for identity in columns[1])
        return _Block(
            table=pa.table([pa.array(each, pa.string()) for each in columns], schema=SCHEMA),
            digests=digests.astype(np.uint64),
            n_made=judge.n_judged,
            refused=judge.refused,
        )


@contextmanager
def _blocks(space: Space, seed: int, n_processes: int) -> Iterator[Iterator[_Block]]:
    """The blocks in order; a few per process are under way."""
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
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


_maker: _Maker | None = None  # of a process of the pool


def _start(space: Space, seed: int) -> None:
    global _maker
    _maker = _Maker(space, seed)


def _make(block: list[Turn]) -> _Block:
    assert _maker is not None
    return _maker(block)
