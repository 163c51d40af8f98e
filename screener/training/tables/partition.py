"""Which part of a fit each molecule of an outside file belongs to.

Molecules that share a connectivity (first block of the InChIKey) never part: a model tested on the
mirror image of what it was fitted on is not tested. `splits` has the one stored split of QM9.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from screener.errors import ConfigError
from screener.registry.elements import symbols_of
from screener.training.splits import PARTS

FEWEST = 10  # molecules of a part; calibration promises nothing with fewer
N_SHOWN = 3

Parts = NDArray[np.str_]


def by_connectivity(
    connectivity: Sequence[str], fractions: Mapping[str, float], seed: int
) -> Parts:
    """Draw parts at random, connectivity by connectivity.

    Args:
        connectivity: (n,), first block of each InChIKey.
        fractions: of the molecules by part, adding up to 1.
        seed: of the draw, which does not depend on the order of the molecules.
    Returns:
        (n,), names of parts; each part has its share to within one connectivity.
    """
    groups, group_of, sizes = np.unique(
        np.asarray(connectivity), return_inverse=True, return_counts=True
    )
    order = np.random.default_rng(seed).permutation(len(groups))
    middles = np.cumsum(sizes[order]) - sizes[order] / 2
    ends = np.cumsum([fractions[part] for part in PARTS]) * sizes.sum()
    places = np.minimum(np.searchsorted(ends, middles), len(PARTS) - 1)
    part_of_group = np.empty(len(groups), dtype=np.int64)
    part_of_group[order] = places
    parts: Parts = np.array(PARTS)[part_of_group[group_of]]
    return parts


def by_column(values: Sequence[str], column: str) -> Parts:
    """Parts as a file names them; rows without a name are in none.

    Raises:
        ConfigError: another name than those of `splits.PARTS`.
    """
    strange = sorted(set(values) - {*PARTS, ""})
    if strange:
        raise ConfigError(
            f"column {column} names the part {strange[0]!r}; parts are {', '.join(PARTS)}"
        )
    return np.array(values)


def require_apart(parts: Parts, connectivity: Sequence[str], smiles: Sequence[str]) -> None:
    """Refuse parts that share a molecule, or that are too small.

    Args:
        parts: (n,), names.
        connectivity: (n,), first block of each InChIKey.
        smiles: (n,), for messages.
    Raises:
        ConfigError: a connectivity is in two parts, or a part has too few molecules.
    """
    first_seen: dict[str, tuple[str, str]] = {}
    shared = []
    for part, block, text in zip(parts.tolist(), connectivity, smiles, strict=True):
        if not part:
            continue
        other, known = first_seen.setdefault(block, (part, text))
        if other != part:
            same = text if text == known else f"{text} and {known}"
            shared.append(f"{same} in {other} and {part}")
    if shared:
        raise ConfigError(
            f"{len(shared)} molecules are in two parts of the split, up to stereochemistry: "
            f"{'; '.join(shared[:N_SHOWN])}. Keep each in one part, or leave the column out"
        )
    for part in PARTS:
        if (n := int((parts == part).sum())) < FEWEST:
            raise ConfigError(
                f"the {part} part has {n} molecules, and needs at least {FEWEST}: give it more of "
                "the molecules, by fractions under [split], such as fractions = "
                "{ fit = 0.5, selection = 0.15, calibration = 0.2, test = 0.15 }, or by the column"
            )


def require_seen(parts: Parts, elements: Sequence[frozenset[int]]) -> None:
    """Raises ConfigError: another part has an element that the fit part has not."""
    seen: dict[str, set[int]] = {part: set() for part in PARTS}
    for part, numbers in zip(parts.tolist(), elements, strict=True):
        if part:
            seen[part] |= numbers
    for part in PARTS:
        if unseen := sorted(seen[part] - seen["fit"]):
            symbols = ", ".join(symbols_of(unseen))
            raise ConfigError(
                f"the {part} part has elements that are in no molecule of the fit part: {symbols}; "
                "leave these molecules out, or put some of them into the fit part"
            )
