"""How the column `domain_reasons` of predictions says why a molecule is outside a domain.

A reason is a sentence for a chemist without its subject, such as "has sulfur, which the model never
saw". The numbers that it rests on follow in brackets: "(distance 1.31, limit 0.97)". Several are
joined by "; ". People are shown sentences, programs get the numbers.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_BETWEEN = "; "
_NUMBER = r"\w+ (?:-?[\d.]+|nan|inf)"
_NUMBERS = re.compile(rf" \(({_NUMBER}(?:, {_NUMBER})*)\)$")
_FIGURES = re.compile(r" \([^()]*\d[^()]*\)$")


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason.

    Args:
        sentence: for people.
        numbers: that it rests on, by name.
    """

    sentence: str
    numbers: Mapping[str, float] = field(default_factory=dict)


def with_numbers(sentence: str, numbers: Mapping[str, float]) -> str:
    """A reason as the column has it.

    Args:
        sentence: for people.
        numbers: that it rests on, by name; of each two digits are kept after the point.
    """
    return f"{sentence} ({', '.join(f'{name} {value:.2f}' for name, value in numbers.items())})"


def joined(reasons: Iterable[str]) -> str:
    """Several reasons as the column has them; empty for none."""
    return _BETWEEN.join(reasons)


def separated(text: str) -> list[str]:
    """The reasons that an entry of the column holds, each as the column has it."""
    return text.split(_BETWEEN) if text else []


def reasons_in(text: str) -> list[Reason]:
    """The same, taken apart."""
    return [_parted(each) for each in separated(text)]


def sentences_in(text: str) -> list[str]:
    """The same without numbers, each sentence once."""
    return list(dict.fromkeys(each.sentence for each in reasons_in(text)))


def kinds_in(text: str) -> list[str]:
    """The sentences as they are counted, each once: without whatever a last bracket says in
    figures, in which nearly every row differs."""
    return list(dict.fromkeys(_FIGURES.sub("", each) for each in sentences_in(text)))


def in_words(text: str) -> str:
    """An entry of the column as people are shown it."""
    return joined(sentences_in(text))


def _parted(text: str) -> Reason:
    found = _NUMBERS.search(text)
    if found is None:
        return Reason(text)
    pairs = (pair.rsplit(" ", 1) for pair in found[1].split(", "))
    return Reason(text[: found.start()], {name: float(value) for name, value in pairs})
