"""The workers of a Slurm job: `dask worker`, configured as the process that submitted the job says.

Run as `python -m screener.cluster.job_main` with the arguments of `dask worker`. The user's files
of Dask's configuration are on the nodes too, and were made for other work (see `dask_config`).
"""

from screener.cluster.dask_config import take_over


def main() -> None:
    """Run `dask worker` until its workers have left."""
    take_over()
    from distributed.cli.dask_worker import main as dask_worker

    dask_worker()


if __name__ == "__main__":
    main()
