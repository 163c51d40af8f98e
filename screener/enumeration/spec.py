"""Specifications as people write them: TOML, checked for form when read.

A specification holds limits and any of: scaffolds with substituents, reactions with building
blocks, and rules of mutation. What its SMILES and SMARTS mean is checked when
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
    """A substituent with sites of its own; stands for all that can be made of it.

    Args:
        smiles: with one open end `[*]` and sites `[*:1]`, ...
        sites: a set for all sites, or a set for each by its number.
        max_heavy: heavy atoms of what is made, at most.
    """

    smiles: str
    sites: str | Mapping[str, str]
    max_heavy: PositiveInt


class ScaffoldSpec(_Table):
    """A scaffold and what goes on its sites.

    Args:
        family: the class of molecules that it belongs to; families take turns.
        smiles: with sites `[*:1]`, ...
        sites: a set for all sites, or a set for each by its number.
    """

    family: str = Field(min_length=1)
    smiles: str
    sites: str | Mapping[str, str]


class ReactionSpec(_Table):
    """A reaction and what it is given.

    Args:
        family: the class of molecules that it makes.
        name: written beside each product.
        smarts: `reactants>>product`; of several products the first counts.
        blocks: for each reactant a list of `[blocks]`.
    """

    family: str = Field(min_length=1)
    name: str = Field(min_length=1)
    smarts: str
    blocks: tuple[str, ...]


class MutationSpec(_Table):
    """Rules that change one molecule a little.

    Args:
        steps: how many rules are applied one after another, at most; each step is a candidate.
        seeds: SMILES to start from, where none are given with the command.
        rules: reaction SMARTS with one reactant, by name.
    """

    steps: PositiveInt = Field(default=3, le=50)
    seeds: tuple[str, ...] = ()
    rules: Mapping[str, str] = Field(min_length=1)


class Spec(_Table):
    """What is to be enumerated.

    Args:
        description: for readers.
        limits: see `Limits`.
        substituents: by name of a set: SMILES with an open end `[*]`, names of other sets, and
            tables (`Branched`).
        scaffolds, reactions: see their classes.
        blocks: SMILES of building blocks by name of a list.
        mutation: see `MutationSpec`.
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
            values: the fields by name.
            where: file, for messages.
        Raises:
            ConfigError: a key is misspelt, a value has the wrong type or form, or there is nothing
                to enumerate.
        """
        try:
            spec = cls.model_validate(dict(values))
        except ValidationError as error:
            found = error.errors(include_url=False)
            told = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in found)
            raise ConfigError(f"{where}: {'; '.join(told)}") from error
        if not (spec.scaffolds or spec.reactions or spec.mutation):
            raise ConfigError(
                f"{where}: there is nothing to enumerate; write [[scaffolds]], [[reactions]] or "
                "[mutation]"
            )
        return spec

    def with_limits(self, changes: Mapping[str, Any]) -> "Spec":
        """The same under other limits.

        Args:
            changes: fields of `Limits`.
        Raises:
            ConfigError: they do not fit.
        """
        limits = {**self.limits.model_dump(), **changes}
        return Spec.from_mapping({**self.model_dump(exclude_none=True), "limits": limits}, "limits")


def spec_names() -> list[str]:
    """Names of the specifications that ship, sorted."""
    found = files(_SETS).iterdir()
    return sorted(
        entry.name.removesuffix(".toml") for entry in found if entry.name.endswith(".toml")
    )


def load_spec(name_or_path: str) -> Spec:
    """A shipped specification by its name, or the user's own TOML file.

    Raises:
        ConfigError: there is none, it is not TOML, or it does not fit.
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
