"""Screener from Python: libraries, campaigns and models, for scripts and notebooks.

Every method calls the same function as the command line does. Results are pandas tables, and a
notebook shows the objects as tables.
"""

from os import fspath

from screener.api.campaign import Campaign
from screener.api.clusters import Path
from screener.api.library import Library
from screener.campaign.results.accounts import Accounts
from screener.campaign.results.status import Status
from screener.errors import Interrupted
from screener.inference.model import Model

__all__ = ["Accounts", "Campaign", "Interrupted", "Library", "Model", "Status", "load_model"]


def load_model(name_or_path: Path) -> Model:
    """Load a trained model.

    Args:
        name_or_path: the name of a shipped bundle, such as `qm9-mmff94-direct`, or a folder.
    Returns:
        a `Model`, whose `predict` takes SMILES or structures and returns a DataFrame.
    Raises:
        ConfigError: there is no such bundle.
        SchemaError: its schema version is another, or on this machine it does not reproduce the
            golden predictions that are stored with it.
    """
    return Model(fspath(name_or_path))
