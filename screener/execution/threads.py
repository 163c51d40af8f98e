"""One thread for every numerical library in this process.

Tasks and chemistry processes already use every core. Libraries that start threads of their own make
them slower and, where that splits sums differently, change the last digits of results. Environment
variables limit libraries that are loaded later, calls limit those that are loaded already, and the
outcome is checked.
"""

import os
import sys
import threading

from threadpoolctl import ThreadpoolController

from screener.errors import ScreenerError

ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "BLIS_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "NUMBA_NUM_THREADS",
    ),
    "1",
)

_of_thread = threading.local()


def one_thread() -> None:
    """Limit torch, BLAS, OpenMP and numba to one thread each, for the calling thread.

    OpenMP keeps a limit for each calling thread, so every thread that computes has to call this
    itself. The call is cheap if nothing was imported since this thread's last call.

    Raises:
        ScreenerError: a library still reports more than one thread.
    """
    n_modules = len(sys.modules)  # newly imported libraries bring new thread pools
    if getattr(_of_thread, "n_modules", None) == n_modules:
        return
    numba = sys.modules.get("numba")
    for name, value in ONE_THREAD.items():
        # a loaded numba reads its variable again at every compilation, and refuses a change
        if numba is None or not name.startswith("NUMBA"):
            os.environ[name] = value
    if numba is not None:
        numba.set_num_threads(1)  # may load an OpenMP of its own, which is limited next
    controller = ThreadpoolController()
    controller.limit(limits=1)
    several = {
        f"{pool['internal_api']} ({pool['filepath']})": pool["num_threads"]
        for pool in controller.info()
        if pool["num_threads"] not in (1, None)
    }
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
        if torch.get_num_threads() != 1:
            several["torch"] = torch.get_num_threads()
    if numba is not None and numba.get_num_threads() != 1:
        several["numba"] = numba.get_num_threads()
    if several:
        raise ScreenerError(
            f"libraries keep several threads although one was asked for: {several}; "
            "set OMP_NUM_THREADS=1 before starting the worker"
        )
    _of_thread.n_modules = len(sys.modules)
