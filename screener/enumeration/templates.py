"""Templates, from which molecules are drawn: scaffolds, reactions and mutations.

The draws of a template are numbered. A draw depends only on its number and the seed, so any process
can carry out any draw, and numbers in ascending order give the molecules in a shuffled order.
"""

import random
from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import prod
from typing import NamedTuple, Protocol

from rdkit import Chem
from rdkit.Chem import rdChemReactions

from screener.enumeration.combinations import Combinations
from screener.enumeration.limits import N_VERDICTS, Judge
from screener.enumeration.parts import Part, Pattern
from screener.enumeration.permutation import Permutation

MAX_PRODUCTS = 1000  # of one reaction with one set of reactants, symmetric ones included


class Candidate(NamedTuple):
    """A molecule inside the limits and what it was made from."""

    smiles: str  # canonical
    scaffold: str  # SMILES of the scaffold or of the seed, or the name of the reaction
    parts: str  # its substituents, building blocks or mutations, joined by spaces


class Template(Protocol):
    """A source of molecules with numbered draws."""

    @property
    def family(self) -> str:
        """The class of molecules that it makes."""

    @property
    def size(self) -> int | None:
        """How many draws there are; None where there is no end."""

    @property
    def draws_per_turn(self) -> int:
        """How many draws there are per molecule: more than one where symmetry makes draws equal."""

    def draw(self, number: int, seed: int, judge: Judge) -> Iterator[Candidate]:
        """The molecules of one draw.

        Args:
            number: from 0 to size - 1: the position of the draw in the shuffled order.
            seed: seed of the shuffled order.
            judge: checks molecules against the limits.
        Returns:
            the molecules inside the limits; there may be none, one or several.
        """


class Scaffold:
    """A scaffold with a choice of substituents for each site.

    Args:
        family: the class of molecules that it makes.
        pattern: the scaffold.
        choices: the substituents for each of its sites, in the order of `pattern.sites`.
        most: the most heavy atoms of a whole molecule.
    """

    def __init__(
        self, family: str, pattern: Pattern, choices: Sequence[tuple[Part, ...]], most: int
    ) -> None:
        self.family = family
        self.smiles = pattern.smiles
        self._names = [[part.smiles for part in parts] for parts in choices]
        self._fragments = pattern.fragments(choices)
        # sites that are symmetric in the scaffold but take different substituents are not equal
        self._symmetries = [
            images
            for images in pattern.symmetries
            if all(choices[site] is choices[image] for site, image in enumerate(images))
        ]
        sizes = [tuple(part.composition.n_heavy for part in parts) for parts in choices]
        self._combinations = Combinations(sizes, most - pattern.composition.n_heavy, most)
        self.size = self._combinations.size
        self.draws_per_turn = 1 + len(self._symmetries)

    def draw(self, number: int, seed: int, judge: Judge) -> Iterator[Candidate]:
        """One molecule; none where a draw with permuted substituents gives the same one.

        Args:
            number: from 0 to size - 1: the position of the draw in the shuffled order.
            seed: seed of the shuffled order.
            judge: checks molecules against the limits.
        Returns:
            at most one molecule.
        """
        shuffled = _permutation(self.size, f"{seed} {self.smiles}")
        choice = self._combinations.choice(shuffled(number))
        for images in self._symmetries:
            if tuple([choice[image] for image in images]) < choice:
                return
        smiles = judge(self._fragments.joined(choice))
        if smiles is not None:
            parts = (names[part] for names, part in zip(self._names, choice, strict=True))
            yield Candidate(smiles, self.smiles, " ".join(parts))


class Reaction:
    """A reaction of building blocks from one list per reactant.

    Args:
        family: the class of molecules that it makes.
        name: name of the reaction.
        smarts: reaction SMARTS, `reactants>>product`.
        blocks: for each reactant, the SMILES of its building blocks.
    """

    def __init__(
        self, family: str, name: str, smarts: str, blocks: Sequence[tuple[str, ...]]
    ) -> None:
        self.family = family
        self.name = name
        self._smarts = smarts
        self._blocks = tuple(blocks)
        self.size = prod(map(len, self._blocks))
        self.draws_per_turn = 1

    def draw(self, number: int, seed: int, judge: Judge) -> Iterator[Candidate]:
        """All different products of one choice of building blocks.

        Args:
            number: from 0 to size - 1: the position of the draw in the shuffled order.
            seed: seed of the shuffled order.
            judge: checks molecules against the limits.
        Returns:
            the products inside the limits; several where the reaction can happen at several places.
        """
        left = _permutation(self.size, f"{seed} {self.name}")(number)
        chosen = []
        for blocks in self._blocks:
            left, place = divmod(left, len(blocks))
            chosen.append(blocks[place])
        for text in _products(self._smarts, tuple(chosen)):
            smiles = judge(text)
            if smiles is not None:
                yield Candidate(smiles, self.name, " ".join(chosen))


class Mutation:
    """Random walks from given molecules, each step of which applies one rule.

    Args:
        seeds: canonical SMILES to start from.
        rules: pairs of a name and a reaction SMARTS with one reactant.
        steps: the most steps of a walk.
    """

    family = "mutation"
    size = None
    draws_per_turn = 1

    def __init__(self, seeds: Sequence[str], rules: Sequence[tuple[str, str]], steps: int) -> None:
        self._seeds = tuple(seeds)
        self._rules = tuple(rules)
        self._steps = steps

    def draw(self, number: int, seed: int, judge: Judge) -> Iterator[Candidate]:
        """The molecules of one walk: all products of each of its steps.

        The walk continues from one product, chosen at random. It ends early when no product is
        inside the limits or no rule applies.

        Args:
            number: from 0 on; it decides the molecule to start from and, with the seed, the steps.
            seed: seed of the random choices.
            judge: checks molecules against the limits.
        Returns:
            the products inside the limits, step by step.
        """
        generator = random.Random(f"{seed} {number}")
        start = at = self._seeds[number % len(self._seeds)]
        names: list[str] = []
        for _ in range(self._steps):
            name, products = self._step(at, generator)
            inside = [each for each in map(judge, products) if each is not None]
            if not inside:
                return
            names.append(name)
            for smiles in inside:
                yield Candidate(smiles, start, " ".join(names))
            at = generator.choice(inside)

    def _step(self, smiles: str, generator: random.Random) -> tuple[str, tuple[str, ...]]:
        """The first rule, in a random order, that has products, and these products."""
        for name, smarts in generator.sample(self._rules, len(self._rules)):
            if products := _products(smarts, (smiles,)):
                return name, products
        return "", ()


@lru_cache(maxsize=1024)
def _permutation(size: int, key: str) -> Permutation:
    return Permutation(size, key)


@lru_cache(maxsize=N_VERDICTS)
def _products(smarts: str, reactants: tuple[str, ...]) -> tuple[str, ...]:
    """SMILES of the different first products, in a fixed order; they may not be valid molecules."""
    molecules = tuple(_molecule(text) for text in reactants)
    outcomes = _reaction(smarts).RunReactants(molecules, maxProducts=MAX_PRODUCTS)
    return tuple(dict.fromkeys(Chem.MolToSmiles(products[0]) for products in outcomes))


@lru_cache(maxsize=1024)
def _reaction(smarts: str) -> rdChemReactions.ChemicalReaction:
    reaction = rdChemReactions.ReactionFromSmarts(smarts)
    reaction.Initialize(silent=True)
    return reaction


@lru_cache(maxsize=4096)
def _molecule(smiles: str) -> Chem.Mol:
    return Chem.MolFromSmiles(smiles)
