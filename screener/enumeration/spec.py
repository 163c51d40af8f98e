"""The TOML format of a specification; keys and types are checked when a file is read.

A specification has limits and at least one of: scaffolds with substituents, reactions with building
blocks, and rules of mutation. Its SMILES and SMARTS are checked later, when
`screener.enumeration.space` makes a space of it.
"""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from screener.enumeration.limits import Limits
from screener.errors import ConfigError
from screener.stores.toml import read_toml

_SETS = "screener.enumeration.sets"


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Branched(_Table):
    """A substituent with sites of its own; it stands for all substituents made from it.

    Args:
        smiles: SMILES with one open end `[*]` and sites `[*:1]`, ...
        sites: the name of a set for all sites, or the name of a set for each site number.
        max_heavy: the most heavy atoms of a substituent made from it.
    """

    smiles: str
    sites: str | Mapping[str, str]
    max_heavy: PositiveInt


class ScaffoldSpec(_Table):
    """A scaffold and the substituents for its sites.

    Args:
        family: the class of molecules that it belongs to; families take turns in the stream.
        smiles: SMILES with sites `[*:1]`, ...
        sites: the name of a set for all sites, or the name of a set for each site number.
    """

    family: str = Field(min_length=1)
    smiles: str
    sites: str | Mapping[str, str]


class ReactionSpec(_Table):
    """A reaction and the building blocks for its reactants.

    Args:
        family: the class of molecules that it makes.
        name: written beside each product in the output.
        smarts: reaction SMARTS, `reactants>>product`; only the first product is used.
        blocks: for each reactant, the name of a list in `[blocks]`.
    """

    family: str = Field(min_length=1)
    name: str = Field(min_length=1)
    smarts: str
    blocks: tuple[str, ...]


class MutationSpec(_Table):
    """Rules that each change a molecule a little.

    Args:
        steps: the most rules that are applied one after another; the molecules after every step are
            candidates.
        seeds: SMILES to start from, unless the command names a file of them.
        rules: reaction SMARTS with one reactant, by name.
    """

    steps: PositiveInt = Field(default=3, le=50)
    seeds: tuple[str, ...] = ()
    rules: Mapping[str, str] = Field(min_length=1)


class Spec(_Table):
    """A whole specification.

    Args:
        description: text for people who read the file.
        limits: what every molecule has to meet; see `Limits`.
        substituents: sets by name. A set holds SMILES with an open end `[*]`, names of other sets,
            and tables (`Branched`).
        scaffolds: see `ScaffoldSpec`.
        blocks: lists of building blocks (SMILES) by name.
        reactions: see `ReactionSpec`.
        mutation: see `MutationSpec`; None where nothing is mutated.
    """

    description: str = ""
    limits: Limits = Limits()
    substituents: Mapping[str, tuple[str | Branched, ...]] = {}
    scaffolds: tuple[ScaffoldSpec, ...] = ()
    blocks: Mapping[str, tuple[str, ...]] = {}
    reactions: tuple[ReactionSpec, ...] = ()
    mutation: MutationSpec | None = None

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], where: str) -> "Spec":
        """A specification from parsed TOML.

        Args:
            values: the keys of the file.
            where: the file, for error messages.
        Raises:
            ConfigError: a key is misspelt, a value has the wrong type or form, or there is nothing
                to enumerate.
        """
        try:
            spec = cls.model_validate(dict(values))
        except ValidationError as error:
            problems = (
                f"{'.'.join(map(str, each['loc']))}: {each['msg']}"
                for each in error.errors(include_url=False)
            )
            raise ConfigError(f"{where}: {'; '.join(problems)}") from error
        if not (spec.scaffolds or spec.reactions or spec.mutation):
            raise ConfigError(
                f"{where}: there is nothing to enumerate; write [[scaffolds]], [[reactions]] or "
                "[mutation]"
            )
        return spec

    def with_limits(self, changes: Mapping[str, Any]) -> "Spec":
        """The same specification with other limits.

        Args:
            changes: new values of fields of `Limits`, by name.
        Raises:
            ConfigError: a value is not valid.
        """
        limits = {**self.limits.model_dump(), **changes}
        return Spec.from_mapping({**self.model_dump(exclude_none=True), "limits": limits}, "limits")


def spec_names() -> list[str]:
    """The sorted names of the specifications that ship with the package."""
    return sorted(
        entry.name.removesuffix(".toml")
        for entry in files(_SETS).iterdir()
        if entry.name.endswith(".toml")
    )


def load_spec(name_or_path: str) -> Spec:
    """Read a shipped specification by its name, or a TOML file of the user's.

    Raises:
        ConfigError: there is no such specification, it is not TOML, or a key or value is wrong.
    """
    if name_or_path in spec_names():
        text = (files(_SETS) / f"{name_or_path}.toml").read_text(encoding="utf-8")
        return Spec.from_mapping(tomllib.loads(text), name_or_path)
    if not Path(name_or_path).exists():
        raise ConfigError(
            f"{name_or_path!r} is neither a file nor one of the shipped specifications: "
            f"{', '.join(spec_names())}"
        )
    return Spec.from_mapping(read_toml(name_or_path), name_or_path)
