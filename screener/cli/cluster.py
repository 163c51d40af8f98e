"""The options that say where work is done, the same for every command that has them."""

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
    """What the options ask for; the `[cluster]` table of `config` counts if they ask for nothing.

    Raises:
        ConfigError: options contradict each other, or a file does not fit.
    """
    from screener.cluster.settings import (
        AddressSettings,
        LocalSettings,
        parse_cluster,
        read_cluster,
    )

    if cluster is not None:
        if scheduler is not None or workers is not None:
            raise ConfigError("--cluster says it all; leave out --scheduler and --workers")
        return parse_cluster(cluster)
    if scheduler is not None:
        return AddressSettings(address=scheduler)
    if workers is not None:
        return LocalSettings(workers=workers)
    return (read_cluster(config) if config else None) or LocalSettings()
