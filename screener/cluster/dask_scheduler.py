"""What all schedulers that we start have in common: Dask's settings, dashboard and security.

A scheduler listens on loopback alone unless the settings name another address. A scheduler that
can be reached over the network runs whatever is sent to it, so a warning is logged if it has no
TLS. The dashboard has no access control and always stays on loopback.
"""

import ipaddress
import logging
import socket
from pathlib import Path
from urllib.parse import urlsplit

from distributed.security import Security

from screener.cluster.settings import LOOPBACK, SecuredSettings
from screener.errors import ConfigError

log = logging.getLogger(__name__)

DASHBOARD_PORT = 8787  # Dask's usual one

SETTINGS = {
    "distributed.scheduler.allowed-failures": 3,
    "distributed.scheduler.worker-ttl": "5 minutes",  # chemistry may hold the GIL for long
    "distributed.scheduler.no-workers-timeout": "10 minutes",
    # both cost a few percent of a core, and tell little: a task is one long call
    "distributed.admin.tick.interval": "500ms",
    "distributed.worker.profile.enabled": False,
}

# for a scheduler in this process; its dashboard is on loopback, whatever address it listens on
HERE = {**SETTINGS, "distributed.dashboard.link": f"{{scheme}}://{LOOPBACK}:{{port}}/status"}


def variables() -> dict[str, str]:
    """The same settings as environment variables, for Dask in processes started elsewhere."""
    return {
        "DASK_" + key.upper().replace(".", "__").replace("-", "_"): str(value)
        for key, value in SETTINGS.items()
    }


def security_of(settings: SecuredSettings) -> Security | None:
    """Dask's TLS settings with the files that the settings name; None where they name none.

    Raises:
        ConfigError: a file cannot be read.
    """
    if settings.tls_ca_file is None:
        return None
    files = {}
    for name in settings.tls_files():
        path = Path(getattr(settings, name)).absolute()
        try:
            path.open("rb").close()
        except OSError as error:
            raise ConfigError(f"{name}: cannot read {path}: {error.strerror}") from error
        files[name] = str(path)
    pairs = {
        f"tls_{role}_{kind}": files[f"tls_{kind}"]
        for role in ("scheduler", "worker", "client")
        for kind in ("cert", "key")
    }
    return Security(tls_ca_file=files["tls_ca_file"], require_encryption=True, **pairs)


def protocol_of(security: Security | None) -> str:
    """The protocol of addresses: `tls` with TLS, otherwise `tcp`."""
    return "tcp" if security is None else "tls"


def tls_options(security: Security | None) -> dict[str, str]:
    """Options of `dask worker` that name the same files; none without TLS."""
    if security is None:
        return {}
    return {
        "--protocol": "tls",
        "--tls-ca-file": str(security.tls_ca_file),
        "--tls-cert": str(security.tls_worker_cert),
        "--tls-key": str(security.tls_worker_key),
    }


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
