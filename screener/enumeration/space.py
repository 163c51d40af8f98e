"""Turns a specification into the templates that molecules are drawn from.

Every mistake in the specification is reported with its place. Scaffolds and substituents that
cannot be part of any molecule inside the limits are left out. `Space.left_out` names these
scaffolds; it is an error if no template remains.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rdkit import Chem, rdBase
from rdkit.Chem import rdChemReactions

from screener.enumeration.limits import Limits
from screener.enumeration.parts import Pattern
from screener.enumeration.spec import MutationSpec, ReactionSpec, ScaffoldSpec, Spec
from screener.enumeration.substituents import SubstituentSets
from screener.enumeration.templates import Mutation, Reaction, Scaffold, Template
from screener.errors import ConfigError


@dataclass(frozen=True)
class Space:
    """The templates that molecules are drawn from, and the limits that every molecule meets.

    Args:
        limits: the limits of every molecule.
        templates: the templates, in the order in which they take turns.
        left_out: SMILES of the scaffolds that the limits rule out.
    """

    limits: Limits
    templates: tuple[Template, ...]
    left_out: tuple[str, ...]

    @property
    def families(self) -> tuple[str, ...]:
        """The names of the families, each once, in the order of the templates."""
        return tuple(dict.fromkeys(template.family for template in self.templates))

    @property
    def n_draws(self) -> int | None:
        """How many draws there are, including those that give duplicates or refused molecules; None
        where there is no end, as with mutations."""
        sizes = [template.size for template in self.templates]
        return None if None in sizes else sum(size for size in sizes if size is not None)


def make_space(spec: Spec, where: str, seeds: Sequence[str] = ()) -> Space:
    """Make the space that a specification describes.

    Args:
        spec: the specification as read.
        where: its file or name, for error messages.
        seeds: SMILES that mutations start from, instead of those of the specification.
    Returns:
        the templates, and the scaffolds that were left out.
    Raises:
        ConfigError: a SMILES, a SMARTS, an attachment point or a name is wrong, or the limits leave
            no template.
    """
    if seeds and spec.mutation is None:
        raise ConfigError(f"{where}: it has no [mutation], so seeds are of no use")
    left_out: list[str] = []
    sets = SubstituentSets(spec.substituents, spec.limits, where)
    for name in spec.substituents:
        sets.parts(name)  # so that mistakes in unused sets are reported as well
    templates: list[Template] = []
    for number, entry in enumerate(spec.scaffolds, start=1):
        scaffold = _scaffold(entry, sets, f"{where}: [[scaffolds]] number {number}")
        if scaffold is None:
            left_out.append(entry.smiles)
        else:
            templates.append(scaffold)
    blocks = {name: _blocks(name, spec, where) for name in spec.blocks}
    for reaction in spec.reactions:
        templates.append(_reaction(reaction, blocks, f"{where}: [[reactions]] {reaction.name}"))
    if spec.mutation is not None:
        templates.append(_mutation(spec.mutation, seeds, where))
    if not templates:
        raise ConfigError(
            f"{where}: the limits (elements {' '.join(spec.limits.elements)}, at most "
            f"{spec.limits.max_heavy} heavy atoms and {spec.limits.max_rings} rings) leave no "
            "scaffold or reaction; widen them"
        )
    return Space(spec.limits, tuple(templates), tuple(left_out))


def _scaffold(entry: ScaffoldSpec, sets: SubstituentSets, where: str) -> Scaffold | None:
    """The template; None where none of its molecules can be inside the limits."""
    try:
        pattern = Pattern(entry.smiles)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
    choices = sets.of_sites(pattern, entry.sites, where)
    if not sets.limits.allows(pattern.composition) or not all(choices):
        return None
    scaffold = Scaffold(entry.family, pattern, choices, sets.limits.max_heavy)
    return scaffold if scaffold.size else None


def _blocks(name: str, spec: Spec, where: str) -> tuple[str, ...]:
    place = f"{where}: [blocks] {name}"
    if not spec.blocks[name]:
        raise ConfigError(f"{place} is empty")
    return _canonical(spec.blocks[name], place)


def _canonical(texts: Sequence[str], place: str) -> tuple[str, ...]:
    """Canonical SMILES, each once, in the order given."""
    unique: dict[str, None] = {}
    for text in texts:
        with rdBase.BlockLogs():
            molecule = Chem.MolFromSmiles(text) if text.strip() else None
        if molecule is None:
            raise ConfigError(f"{place}: {text!r} is not SMILES that RDKit can read")
        unique[Chem.MolToSmiles(molecule)] = None
    return tuple(unique)


def _checked_reaction(smarts: str, n_reactants: int, where: str) -> None:
    with rdBase.BlockLogs():
        try:
            reaction = rdChemReactions.ReactionFromSmarts(smarts)
            n_errors = reaction.Validate(silent=True)[1]
        except (ValueError, RuntimeError) as error:
            raise ConfigError(f"{where}: {smarts!r} is not reaction SMARTS: {error}") from error
    if n_errors or not reaction.GetNumProductTemplates():
        raise ConfigError(
            f"{where}: {smarts!r} is no reaction that RDKit can carry out; write "
            "reactants>>product, with the same map numbers on both sides"
        )
    if reaction.GetNumReactantTemplates() != n_reactants:
        raise ConfigError(
            f"{where}: {smarts!r} has {reaction.GetNumReactantTemplates()} reactants, "
            f"but {n_reactants} are given"
        )


def _reaction(entry: ReactionSpec, blocks: Mapping[str, tuple[str, ...]], where: str) -> Reaction:
    unknown = [name for name in entry.blocks if name not in blocks]
    if unknown:
        raise ConfigError(
            f"{where}: there is no list {unknown[0]!r} among [blocks]: "
            f"{', '.join(blocks) or 'there are none'}"
        )
    _checked_reaction(entry.smarts, len(entry.blocks), where)
    lists = []
    for number, name in enumerate(entry.blocks):
        fitting = _matching(entry.smarts, number, blocks[name])
        if not fitting:
            raise ConfigError(
                f"{where}: no molecule of [blocks] {name} is a reactant number {number + 1}"
            )
        lists.append(fitting)
    return Reaction(entry.family, entry.name, entry.smarts, lists)


def _matching(smarts: str, number: int, blocks: tuple[str, ...]) -> tuple[str, ...]:
    """The building blocks that match reactant `number`, counted from 0."""
    reaction = rdChemReactions.ReactionFromSmarts(smarts)  # owns its templates
    reaction.Initialize(silent=True)
    reactant = reaction.GetReactantTemplate(number)
    return tuple(
        smiles for smiles in blocks if Chem.MolFromSmiles(smiles).HasSubstructMatch(reactant)
    )


def _mutation(entry: MutationSpec, seeds: Sequence[str], where: str) -> Mutation:
    given = _canonical(seeds or entry.seeds, f"{where}: [mutation] seeds")
    if not given:
        raise ConfigError(f"{where}: [mutation] has no seeds; give a file of them with --seeds")
    for name, smarts in entry.rules.items():
        _checked_reaction(smarts, 1, f"{where}: [mutation.rules] {name}")
    return Mutation(given, tuple(entry.rules.items()), entry.steps)
