"""Groups that a molecule for a lithium battery should not have: names, reasons and patterns.

The list is `screener/data/alerts.toml`, which names the literature of each. An alert is a pattern
in a drawing and no measurement: it says what to look at.
"""

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from rdkit import Chem

from screener.errors import SchemaError


@dataclass(frozen=True, slots=True, eq=False)
class Alert:
    """One group."""

    name: str
    why: str
    source: str
    pattern: Chem.Mol


@lru_cache(maxsize=1)
def alerts() -> tuple[Alert, ...]:
    """All alerts, in the order of the file.

    Raises:
        SchemaError: a pattern cannot be read.
    """
    text = (files("screener.data") / "alerts.toml").read_text(encoding="utf-8")
    listed = []
    for entry in tomllib.loads(text)["alert"]:
        pattern = Chem.MolFromSmarts(entry["smarts"])
        if pattern is None:
            raise SchemaError(f"alert {entry['name']}: {entry['smarts']} is not a SMARTS pattern")
        listed.append(Alert(entry["name"], entry["why"], entry["source"], pattern))
    return tuple(listed)


def alerts_of(mol: Chem.Mol) -> tuple[str, ...]:
    """Names of the alerts that a molecule raises, each once, in the order of the file.

    Args:
        mol: sanitised, hydrogens implicit.
    """
    return tuple(each.name for each in alerts() if mol.HasSubstructMatch(each.pattern))
