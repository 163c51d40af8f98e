"""Worker processes of a local cluster, in a process of their own: one nanny per worker.

Started by `screener.cluster.local` as `python -m screener.cluster.worker_main ARGUMENTS`, where the
arguments are those of `dask worker`. The process that started it holds the other end of its
standard input. When that process ends, for whatever reason, the input is closed and this process
ends at once, and its nannies and workers with it.
"""

import os
import sys
import threading

from distributed.cli.dask_worker import main as dask_worker


def main() -> None:
    """Run `dask worker` until standard input is closed."""
    threading.Thread(target=_end_with_owner, daemon=True).start()
    dask_worker(sys.argv[1:])


def _end_with_owner() -> None:
    while os.read(0, 1):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
