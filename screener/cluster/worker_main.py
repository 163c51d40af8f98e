"""Worker processes of a local cluster, in a process of their own: one nanny per worker.

Started by `screener.cluster.local` as `python -m screener.cluster.worker_main ARGUMENTS`, where the
arguments are those of `dask worker`. Everything here ends at once when the process that holds the
other end of standard input ends, however it ends: nannies and workers watch one another.
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
