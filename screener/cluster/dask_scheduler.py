"""What all schedulers that we start have in common: Dask's settings, dashboard and security.

A scheduler listens on loopback alone unless the settings name another address. A scheduler that
can be reached over the network runs whatever is sent to it, so a warning is logged if it has no
TLS, and where Dask's configuration demands encryption there it is an error. The dashboard has no
access control and always stays on loopback.
"""

import ipaddress
import logging
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dask
from distributed.security import Security

from screener.cluster import dask_config
from screener.cluster.settings import LOOPBACK, AddressSettings, SecuredSettings, SlurmSettings
from screener.errors import ConfigError

log = logging.getLogger(__name__)

OWN_LINK = "{scheme}://{host}:{port}/status"  # of a scheduler of somebody else's
DASHBOARD_PORT = 8787  # Dask's usual one
ROLES = ("scheduler", "worker", "client")

SETTINGS = {
    "distributed.scheduler.allowed-failures": 3,
    "distributed.scheduler.worker-ttl": "5 minutes",  # chemistry may hold the GIL for long
    "distributed.scheduler.no-workers-timeout": "10 minutes",
    # both cost a few percent of a core, and tell little: a task is one long call
    "distributed.admin.tick.interval": "500ms",
    "distributed.worker.profile.enabled": False,
}

LINK = "distributed.dashboard.link"
ENCRYPTION = "distributed.comm.require-encryption"
_TLS = ("distributed.comm.tls",)
_DEBUGGER = "distributed.admin.pdb-on-err"


@contextmanager
def configured(more: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
    """Dask as a scheduler of ours in this process needs it, until the context ends.

    Args:
        more: further settings by name.
    Yields:
        all of our settings by name, for `dask_config.inherited`.
    """
    settings = {**SETTINGS, **(more or {})}
    # on loopback, whatever address the scheduler listens on
    settings[LINK] = link_or(f"{{scheme}}://{LOOPBACK}:{{port}}/status")
    tell_of_configuration()
    with dask_config.set_ours(settings):
        yield settings


def tell_of_configuration() -> None:
    """Log what the person has configured and a cluster of ours does not do."""
    if left_out := dask_config.left_out():
        log.info("of Dask's configuration this is not taken over: %s", "; ".join(left_out))
    if dask_config.is_changed(_DEBUGGER):
        log.warning(
            "Dask's configuration sets %s: after an error inside Dask it waits for commands of a "
            "debugger, without an end and perhaps without a word. Take the setting out",
            dask_config.in_words(_DEBUGGER),
        )


def link_or(other: str) -> str:
    """How the person has said that dashboards are reached; `other` where that is of no use."""
    if not dask_config.is_changed(LINK):
        return other
    try:
        link = str(dask.config.get(LINK))
        link.format(**{**os.environ, "scheme": "", "host": "", "port": 0})
    except (KeyError, ValueError, IndexError, AttributeError) as error:
        log.warning(
            "Dask's configuration sets %s, which cannot be written out (%s: %s); the dashboard's "
            "own address is shown",
            *(dask_config.in_words(LINK), type(error).__name__, error),
        )
        return other
    return link


def variables() -> dict[str, str]:
    """Our settings as environment variables, for Dask in an image that has no other ones."""
    return {
        "DASK_" + key.upper().replace(".", "__").replace("-", "_"): str(value)
        for key, value in SETTINGS.items()
    }


def security_of(settings: SecuredSettings) -> Security | None:
    """Dask's TLS settings with the files that the settings name; None where there is to be no TLS.

    Where Dask's configuration demands encryption and the scheduler can be reached over the network,
    files of that configuration take the place of those that the settings do not name.

    Raises:
        ConfigError: a file cannot be read, or there is none where encryption is demanded.
    """
    if settings.tls_ca_file is None:
        is_demanded = dask.config.get(ENCRYPTION) and _is_open(settings)
        return _of_configuration() if is_demanded else None
    files = {}
    for name in settings.tls_files():
        path = Path(getattr(settings, name)).absolute()
        try:
            path.open("rb").close()
        except OSError as error:
            raise ConfigError(f"{name}: cannot read {path}: {error.strerror}") from error
        files[name] = str(path)
    pairs = {
        f"tls_{role}_{kind}": files[f"tls_{kind}"] for role in ROLES for kind in ("cert", "key")
    }
    try:
        return Security(tls_ca_file=files["tls_ca_file"], require_encryption=True, **pairs)
    except ValueError as error:  # of a version in Dask's configuration
        raise ConfigError(f"TLS cannot be used: {error}{dask_config.suspects(_TLS)}") from error


def _is_open(settings: SecuredSettings) -> bool:
    """Whether it is a scheduler of ours that listens beyond loopback."""
    if isinstance(settings, AddressSettings):
        return False
    return isinstance(settings, SlurmSettings) or not is_loopback(settings.host)


def _of_configuration() -> Security:
    """TLS with the files of Dask's configuration, all of which have to be there."""
    demand = f"Dask's configuration demands encryption: {dask_config.in_words(ENCRYPTION)}"
    remedy = "give tls_ca_file, tls_cert and tls_key in [cluster], or take that setting out"
    try:
        security = Security()
        certificates = [getattr(security, f"tls_{role}_cert") for role in ROLES]
        for path in (security.tls_ca_file, *certificates):
            if path is None:
                raise ConfigError(f"{demand}, and names no certificates for it; {remedy}")
            Path(path).open("rb").close()
    except (OSError, ValueError) as error:
        raise ConfigError(f"{demand}, and its certificates are of no use: {error}; {remedy}") from (
            error
        )
    return security


def protocol_of(security: Security | None) -> str:
    """The protocol of addresses: `tls` with TLS, otherwise `tcp`."""
    return "tcp" if security is None else "tls"


def tls_options(security: Security | None) -> dict[str, str]:
    """Options of `dask worker` that name the same files; none without TLS."""
    if security is None:
        return {}
    options = {
        "--protocol": "tls",
        "--tls-ca-file": str(security.tls_ca_file),
        "--tls-cert": str(security.tls_worker_cert),
    }
    if security.tls_worker_key is not None:  # else it is in the file of the certificate
        options["--tls-key"] = str(security.tls_worker_key)
    return options


def warn_if_open(address: str) -> None:
    """Log a warning if a scheduler without TLS can be reached from other machines."""
    parts = urlsplit(address)
    if parts.scheme in ("tcp", "ws") and not is_loopback(parts.hostname or ""):
        log.warning(
            "the scheduler at %s is open to the network without TLS: whoever reaches that port can "
            "run programs as you. Give tls_ca_file, tls_cert and tls_key in [cluster]",
            address,
        )


def is_loopback(host: str) -> bool:
    """Whether the address is on loopback; of names, only `localhost` is."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def dashboard_address() -> str:
    """Dask's usual port on loopback, or any free port if that one is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, DASHBOARD_PORT))
        except OSError:
            return f"{LOOPBACK}:0"
    return f"{LOOPBACK}:{DASHBOARD_PORT}"
