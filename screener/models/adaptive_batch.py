"""How much is evaluated at once: as much as the memory of the device holds.

An evaluator begins with the size that is fast and halves it when memory runs out, and keeps what
fitted for the rest of the process. Sizes come from a fixed series, so products have few shapes.
"""

import logging
from collections.abc import Callable
from typing import TypeVar

import torch

from screener.errors import ScreenerError

T = TypeVar("T")

log = logging.getLogger(__name__)


class Portion:
    """A number of rows or molecules that are evaluated at once.

    Args:
        size: to begin with, `least` times a power of two.
        least: at which it is no longer halved.
    """

    def __init__(self, size: int, least: int) -> None:
        self.size = size
        self._least = least

    def __call__(self, function: Callable[[int], T]) -> T:
        """`function(size)`, tried with half the size as often as memory runs out.

        Raises:
            ScreenerError: the device does not hold the least.
        """
        while True:
            try:
                return function(self.size)
            except torch.OutOfMemoryError as error:
                if self.size <= self._least:
                    raise ScreenerError(
                        f"the GPU has too little memory for this model ({error}). See with "
                        "`nvidia-smi` what else uses it, or let CPU workers predict"
                    ) from error
                self.size //= 2
                log.warning("the GPU's memory ran out: from now on %d at once", self.size)
            torch.cuda.empty_cache()  # not before the error, which holds arrays, is gone


def largest_that_fits(size: int, least: int, bytes_each: int, device: str) -> int:
    """The largest of least, 2 least, ..., size of which `bytes_each` fit into half of the free
    memory of a GPU; `least` on a CPU, where caches are small and memory is not asked for.

    Args:
        size: the largest wanted.
        least: the smallest that is tried.
        bytes_each: of memory for one.
        device: of torch.
    Returns:
        how many are evaluated at once, at least `least`.
    """
    if torch.device(device).type != "cuda":
        return least
    free, _ = torch.cuda.mem_get_info(device)
    while least < size and 2 * least * bytes_each <= free // 2:
        least *= 2
    return least
