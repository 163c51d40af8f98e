"""What every scheduler that we start has: Dask's settings, a dashboard on loopback, security.

Nothing listens beyond loopback unless the settings name another address. A scheduler that the
network reaches runs what anybody sends to it, so without TLS that is said aloud. The dashboard
cannot ask who looks, so it stays on loopback always.
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
    "distributed.scheduler.worker-ttl": "5 minutes",  # chemistry that holds the GIL is no death
    "distributed.scheduler.no-workers-timeout": "10 minutes",
    # both take some percent of a core from chemistry, and a task is one call into it
    "distributed.admin.tick.interval": "500ms",
    "distributed.worker.profile.enabled": False,
}

# of a scheduler in this process; the dashboard is on loopback whatever the scheduler listens at
HERE = {**SETTINGS, "distributed.dashboard.link": f"{{scheme}}://{LOOPBACK}:{{port}}/status"}


def variables() -> dict[str, str]:
    """The same settings as environment of processes elsewhere, where Dask reads them."""
    return {
        "DASK_" + key.upper().replace(".", "__").replace("-", "_"): str(value)
        for key, value in SETTINGS.items()
    }


def security_of(settings: SecuredSettings) -> Security | None:
    """Dask's TLS with the files that the settings name; None where they name none.

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
    """How addresses begin."""
    return "tcp" if security is None else "tls"


def tls_options(security: Security | None) -> dict[str, str]:
    """Options of `dask worker` for the same files."""
    if security is None:
        return {}
    return {
        "--protocol": "tls",
        "--tls-ca-file": str(security.tls_ca_file),
        "--tls-cert": str(security.tls_worker_cert),
        "--tls-key": str(security.tls_worker_key),
    }


def warn_if_open(address: str) -> None:
    """Say so when a scheduler that asks nobody for a certificate can be reached from elsewhere."""
    parts = urlsplit(address)
    if parts.scheme in ("tcp", "ws") and not is_loopback(parts.hostname or ""):
        log.warning(
            "the scheduler at %s is open to the network without TLS: whoever reaches that port can "
            "run programs as you. Give tls_ca_file, tls_cert and tls_key in [cluster]",
            address,
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the host; a name counts if it is `localhost`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def dashboard_address() -> str:
    """Dask's usual port on loopback, or any free one where that is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, DASHBOARD_PORT))
        except OSError:
            return f"{LOOPBACK}:0"
    return f"{LOOPBACK}:{DASHBOARD_PORT}"
