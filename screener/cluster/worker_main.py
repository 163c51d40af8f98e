"""Worker processes of a local cluster, in a process of their own: one nanny per worker.

Started by `screener.cluster.local` as `python -m screener.cluster.worker_main MODULE ARGUMENTS`,
where the arguments are those of `dask worker`. The process that started it holds the other end of
its standard input. When that process ends, for whatever reason, the input is closed and this
process ends at once, and its nannies and workers with it.

Workers are forked from one process that has imported the module, and has done nothing else: imports
of torch and RDKit take seconds of a core, which every worker would take for itself, and again after
each restart. No thread of Python runs there; jemalloc and OpenBLAS know forks.
"""

import multiprocessing
import os
import sys
import threading

import dask

from screener.cluster.dask_config import take_over


def main() -> None:
    """Run `dask worker` until standard input is closed."""
    threading.Thread(target=_end_with_owner, daemon=True).start()
    take_over()
    from distributed.cli.dask_worker import main as dask_worker

    # Dask's own name for it would import pandas there as well
    dask.config.set({"distributed.worker.multiprocessing-method": None})
    multiprocessing.set_start_method("forkserver")
    multiprocessing.set_forkserver_preload([sys.argv[1]])
    dask_worker(sys.argv[2:])


def _end_with_owner() -> None:
    while os.read(0, 1):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
