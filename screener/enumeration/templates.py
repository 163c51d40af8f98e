"""What a space is made of: templates whose draws, numbered and shuffled, give molecules."""

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

MAX_PRODUCTS = 1000  # of one reaction of one set of reactants, symmetric ones included


class Found(NamedTuple):
    """A molecule inside the limits and where it comes from."""

    smiles: str  # canonical
    scaffold: str  # SMILES of the scaffold or of the seed, or the name of the reaction
    parts: str  # what was put on it, joined by a space


class Template(Protocol):
    """Something that molecules are drawn from."""

    @property
    def family(self) -> str:
        """The class of its molecules."""

    @property
    def size(self) -> int | None:
        """How many draws there are; None: without end."""

    @property
    def draws_per_turn(self) -> int:
        """How many draws give one molecule, where symmetry makes others give none."""

    def draw(self, number: int, seed: int, judge: Judge) -> Iterator[Found]:
        """The molecules of a draw, none or more.

        Args:
            number: 0 .. size - 1; which draw it is in the shuffled order.
            seed: of the order.
            judge: says what may pass.
        """


class Scaffold:
    """A scaffold with a choice of substituents for each site.

    Args:
        family: of molecules.
        pattern: the scaffold.
        choices: the substituents for each of its sites.
        most: heavy atoms of a whole molecule, at most.
    """

    def __init__(
        self, family: str, pattern: Pattern, choices: Sequence[tuple[Part, ...]], most: int
    ) -> None:
        self.family = family
        self.smiles = pattern.smiles
        self._names = [[part.smiles for part in parts] for parts in choices]
        self._fragments = pattern.fragments(choices)
        # symmetric sites with different sets are not the same
        self._symmetries = [
            images
            for images in pattern.symmetries
            if all(choices[site] is choices[image] for site, image in enumerate(images))
        ]
        sizes = [tuple(part.composition.n_heavy for part in parts) for parts in choices]
        self._combinations = Combinations(sizes, most - pattern.composition.n_heavy, most)
        self.size = self._combinations.size
        self.draws_per_turn = 1 + len(self._symmetries)

    def draw(self, number: int, seed: int, judge: Judge) -> Iterator[Found]:
        """One molecule, or none where another draw gives the same by the scaffold's symmetry."""
        shuffled = _permutation(self.size, f"{seed} {self.smiles}")
        choice = self._combinations.choice(shuffled(number))
        for images in self._symmetries:
            if tuple([choice[image] for image in images]) < choice:
                return
        smiles = judge(self._fragments.joined(choice))
        if smiles is not None:
            parts = (names[part] for names, part in zip(self._names, choice, strict=True))
            yield Found(smiles, self.smiles, " ".join(parts))


class Reaction:
    """A reaction over lists of building blocks.

    Args:
        family: of molecules.
        name: of the reaction.
        smarts: `reactants>>product`.
        blocks: SMILES for each reactant.
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

    def draw(self, number: int, seed: int, judge: Judge) -> Iterator[Found]:
        """All different products of one choice of building blocks."""
        left = _permutation(self.size, f"{seed} {self.name}")(number)
        chosen = []
        for blocks in self._blocks:
            left, which = divmod(left, len(blocks))
            chosen.append(blocks[which])
        for text in _products(self._smarts, tuple(chosen)):
            smiles = judge(text)
            if smiles is not None:
                yield Found(smiles, self.name, " ".join(chosen))


class Mutation:
    """Random walks from given molecules by rules that change them a little.

    Args:
        seeds: canonical SMILES to start from.
        rules: reaction SMARTS with one reactant, by name.
        steps: of a walk, at most.
    """

    family = "mutation"
    size = None
    draws_per_turn = 1

    def __init__(self, seeds: Sequence[str], rules: Sequence[tuple[str, str]], steps: int) -> None:
        self._seeds = tuple(seeds)
        self._rules = tuple(rules)
        self._steps = steps

    def draw(self, number: int, seed: int, judge: Judge) -> Iterator[Found]:
        """The molecules of one walk, all products of each step; it goes on from one of them, and
        ends where a step leaves the limits or no rule applies."""
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
                yield Found(smiles, start, " ".join(names))
            at = generator.choice(inside)

    def _step(self, smiles: str, generator: random.Random) -> tuple[str, tuple[str, ...]]:
        """The first rule, in random order, that applies, and its products."""
        for name, smarts in generator.sample(self._rules, len(self._rules)):
            if products := _products(smarts, (smiles,)):
                return name, products
        return "", ()


@lru_cache(maxsize=1024)
def _permutation(size: int, key: str) -> Permutation:
    return Permutation(size, key)


@lru_cache(maxsize=N_VERDICTS)
def _products(smarts: str, reactants: tuple[str, ...]) -> tuple[str, ...]:
    """SMILES of the different first products, in a fixed order; not yet known to be molecules."""
    molecules = tuple(_molecule(text) for text in reactants)
    found = _reaction(smarts).RunReactants(molecules, maxProducts=MAX_PRODUCTS)
    return tuple(dict.fromkeys(Chem.MolToSmiles(products[0]) for products in found))


@lru_cache(maxsize=1024)
def _reaction(smarts: str) -> rdChemReactions.ChemicalReaction:
    reaction = rdChemReactions.ReactionFromSmarts(smarts)
    reaction.Initialize(silent=True)
    return reaction


@lru_cache(maxsize=4096)
def _molecule(smiles: str) -> Chem.Mol:
    return Chem.MolFromSmiles(smiles)
