"""Sets of substituents, resolved to the single substituents that they stand for.

Names of other sets are replaced by their members, a branched substituent by all substituents that
can be made from it, and each substituent is listed once per set.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from screener.enumeration.combinations import Combinations
from screener.enumeration.limits import Limits
from screener.enumeration.parts import Part, Pattern, part_of
from screener.enumeration.spec import Branched
from screener.errors import ConfigError

MAX_SPELT_OUT = 200_000  # substituents from one branched one; more are not worth the memory


@dataclass
class SubstituentSets:
    """The sets of a specification.

    Args:
        sets: the sets as written in the file, by name.
        limits: substituents with other elements, too many atoms or too many rings are left out.
        where: the file, for error messages.
    """

    sets: Mapping[str, tuple[str | Branched, ...]]
    limits: Limits
    where: str
    _done: dict[str, tuple[Part, ...]] = field(default_factory=dict)
    _beside: dict[tuple[str, str], tuple[Part, ...]] = field(default_factory=dict)
    _open: list[str] = field(default_factory=list)  # being resolved, the outermost first

    def parts(self, name: str) -> tuple[Part, ...]:
        """The substituents of a set, smallest first; empty where the limits leave none.

        Raises:
            ConfigError: there is no such set, it is empty or contains itself, or one of its
                substituents is not valid.
        """
        if name in self._done:
            return self._done[name]
        if name not in self.sets:
            raise ConfigError(
                f"{self.where}: {self._place()}there is no set {name!r} among [substituents]: "
                f"{', '.join(self.sets) or 'there are none'}"
            )
        if name in self._open:
            circle = " > ".join([*self._open[self._open.index(name) :], name])
            raise ConfigError(f"{self.where}: [substituents] a set contains itself: {circle}")
        if not self.sets[name]:
            raise ConfigError(f"{self.where}: [substituents] {name} is empty")
        self._open.append(name)
        unique: dict[str, Part] = {}
        for entry in self.sets[name]:
            for part in self._entry(name, entry):
                unique.setdefault(part.smiles, part)
        self._open.pop()
        kept = sorted(unique.values(), key=lambda part: part.composition.n_heavy)
        self._done[name] = tuple(kept)
        return self._done[name]

    def of_sites(
        self, pattern: Pattern, sites: str | Mapping[str, str], where: str
    ) -> list[tuple[Part, ...]]:
        """The substituents for each site of a pattern.

        Args:
            pattern: the scaffold or branched substituent.
            sites: the name of a set for all sites, or the name of a set for each site number.
            where: the place in the file, for error messages.
        Returns:
            for each site, in the order of `pattern.sites`, its substituents, smallest first. Sites
            with the same substituents share one tuple object, which is how symmetric sites are
            recognised later.
        Raises:
            ConfigError: a site has no set, or a set names a site that does not exist.
        """
        numbers = [str(site) for site in pattern.sites]
        named = dict.fromkeys(numbers, sites) if isinstance(sites, str) else dict(sites)
        if set(named) != set(numbers):
            raise ConfigError(
                f"{where}: {pattern.smiles!r} has the sites {', '.join(numbers)}, "
                f"but sets are named for {', '.join(named) or 'none'}"
            )
        return [
            self._parts_beside(named[number], atom)
            for number, atom in zip(numbers, pattern.attached, strict=True)
        ]

    def _parts_beside(self, name: str, atom: str) -> tuple[Part, ...]:
        """The substituents of a set that may be bonded to an atom of this coordination."""
        if (name, atom) not in self._beside:
            self._beside[name, atom] = tuple(
                part for part in self.parts(name) if self.limits.allows_bond(part.attached, atom)
            )
        return self._beside[name, atom]

    def _entry(self, name: str, entry: str | Branched) -> tuple[Part, ...] | list[Part]:
        where = f"{self.where}: [substituents] {name}"
        if isinstance(entry, str) and "*" not in entry:
            if entry not in self.sets:
                raise ConfigError(
                    f"{where}: {entry!r} is neither a set nor a substituent; "
                    "a substituent has an open end, as in [*]CC"
                )
            return self.parts(entry)
        try:
            if isinstance(entry, str):
                part = part_of(entry)
                return [part] if self.limits.allows(part.composition) else []
            pattern = Pattern(entry.smiles, is_substituent=True)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from error
        return self._spelt_out(pattern, entry, where)

    def _spelt_out(self, pattern: Pattern, entry: Branched, where: str) -> list[Part]:
        if not pattern.sites:
            raise ConfigError(f"{where}: {entry.smiles!r} has no site; write it as a string")
        choices = self.of_sites(pattern, entry.sites, where)
        most = min(entry.max_heavy, self.limits.max_heavy)
        sizes = [tuple(part.composition.n_heavy for part in parts) for parts in choices]
        combinations = Combinations(
            sizes, most - pattern.composition.n_heavy, self.limits.max_heavy
        )
        if combinations.size > MAX_SPELT_OUT:
            raise ConfigError(
                f"{where}: {entry.smiles!r} stands for {combinations.size:,} substituents, more "
                f"than {MAX_SPELT_OUT:,}; lower its max_heavy or shorten the sets of its sites"
            )
        fragments = pattern.fragments(choices)
        made = (
            part_of("[*]" + fragments.joined(combinations.choice(number)))
            for number in range(combinations.size)
        )
        return [part for part in made if self.limits.allows(part.composition)]

    def _place(self) -> str:
        return f"[substituents] {self._open[-1]}: " if self._open else ""
