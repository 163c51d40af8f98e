"""The file `campaign.toml`: a campaign's configuration is frozen to it and read back from it."""

import tomllib

from pydantic import ValidationError

from screener.campaign.settings.setup import SCHEMA_VERSION, Setup
from screener.campaign.settings.user_table import keep_joined
from screener.errors import ConfigError, SchemaError
from screener.registry.plugins import lost_plugins
from screener.stores.files import Folder
from screener.stores.frozen_toml import to_toml
from screener.stores.library import LibraryStore

FILE = "campaign.toml"
_HEAD = b"# Frozen by the campaign's first run; the same settings resume it.\n\n"


def write_setup(folder: Folder, setup: Setup) -> None:
    """Freeze a campaign; an existing `campaign.toml` stays as it is.

    Raises:
        StoreError: the folder cannot be written.
    """
    if setup.joined is not None:
        keep_joined(folder, setup.joined, LibraryStore.open(setup.library))
    folder.create_bytes(FILE, _HEAD + to_toml(setup.model_dump(mode="json")).encode())


def read_setup(folder: Folder) -> Setup | None:
    """The frozen campaign in a folder; None where there is none.

    Raises:
        ConfigError: a plug-in that the campaign uses is not there.
        SchemaError: the file is broken or of another version.
    """
    if not folder.exists(FILE):
        return None
    where = f"{folder.url}/{FILE}"
    try:
        values = tomllib.loads(folder.read_bytes(FILE).decode())
        version = values.get("schema_version")
        if version != SCHEMA_VERSION:
            raise SchemaError(
                f"{where} has schema version {version}, this screener reads {SCHEMA_VERSION}; "
                "use the screener that made it, or another --out"
            )
        lost = lost_plugins(values.get("plugins", {}))
        if not lost:
            return Setup.model_validate(values)
    except (AttributeError, ValueError, ValidationError, ConfigError) as error:
        raise SchemaError(f"{where} was not written by screener, or was edited: {error}") from error
    raise ConfigError(
        f"the campaign {folder.url} uses plug-ins that are not there: {'; '.join(lost)}; install "
        "them as they were, and `screener plugins` lists them"
    )


def open_setup(folder: Folder) -> Setup:
    """The frozen campaign in a folder.

    Raises:
        ConfigError: the folder holds no campaign.
    """
    setup = read_setup(folder)
    if setup is None:
        raise ConfigError(
            f"{folder.url} is not a campaign: it has no {FILE}; start one with `screener screen`"
        )
    return setup
