"""The options that say where work runs, shared by all commands that have them."""

from typing import TYPE_CHECKING, Annotated

import typer

from screener.errors import ConfigError

if TYPE_CHECKING:
    from screener.cluster.settings import ClusterSettings

Workers = Annotated[
    int | None, typer.Option(min=1, help="Processes on this machine (default one per CPU).")
]
Scheduler = Annotated[
    str | None, typer.Option(help="Address or file of a Dask scheduler that is running.")
]
Cluster = Annotated[
    str | None,
    typer.Option(help="TOML file with a [cluster] table (deploy/README.md), or local or cuda."),
]


def cluster_settings(
    cluster: str | None, scheduler: str | None, workers: int | None, config: str | None = None
) -> "ClusterSettings":
    """The cluster that the options ask for.

    Args:
        cluster: value of `--cluster`: a TOML file or a kind of cluster.
        scheduler: value of `--scheduler`: address or scheduler file of a running scheduler.
        workers: value of `--workers`: number of processes on this machine.
        config: TOML file whose `[cluster]` table counts if none of the three options is given.
    Returns:
        settings of the cluster; by default one process per CPU of this machine.
    Raises:
        ConfigError: options contradict each other, a file is not valid, or Dask's configuration
            keeps Dask from being imported.
    """
    from screener.cluster.dask_import import require_dask
    from screener.cluster.settings import (
        AddressSettings,
        LocalSettings,
        parse_cluster,
        read_cluster,
    )

    require_dask()
    if cluster is not None:
        if scheduler is not None or workers is not None:
            raise ConfigError("--cluster says it all; leave out --scheduler and --workers")
        return parse_cluster(cluster)
    if scheduler is not None:
        return AddressSettings(address=scheduler)
    if workers is not None:
        return LocalSettings(workers=workers)
    return (read_cluster(config) if config else None) or LocalSettings()
