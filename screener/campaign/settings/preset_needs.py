"""The presets in words: what each is for, what it asks, and which models and levels it needs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from screener.models.bundle_files import read_card
from screener.models.shipped import DEFAULT_BUNDLES
from screener.ranking.columns import STRUCTURAL_COLUMNS, inputs_of
from screener.ranking.objectives import RankingSettings
from screener.ranking.presets import load_preset, preset_names, require_preset
from screener.registry.columns import PER_ATOM, columns, levels, words_of


@dataclass(frozen=True, slots=True)
class Need:
    """A column that a preset reads, and where it comes from."""

    column: str
    called: str  # in words
    source: str  # such as `predicted by qm9-mmff94-direct`


@dataclass(frozen=True, slots=True)
class AboutPreset:
    """A shipped preset."""

    name: str
    settings: RankingSettings
    needs: tuple[Need, ...]

    @property
    def lines(self) -> Iterator[str]:
        """For a person, line by line."""
        settings = self.settings
        yield settings.description
        yield "objectives: " + "; ".join(each.text for each in settings.objectives)
        yield "constraints: " + "; ".join(each.text for each in settings.constraints)
        of_source: dict[str, list[str]] = {}
        for need in self.needs:
            of_source.setdefault(need.source, []).append(need.called)
        for source, called in of_source.items():
            yield f"needs {', '.join(called)}: {source}"

    def as_json(self) -> dict[str, Any]:
        """For a program."""
        settings = self.settings
        return {
            "name": self.name,
            "description": settings.description,
            "objectives": [
                {"text": each.text, **each.model_dump(mode="json")} for each in settings.objectives
            ],
            "constraints": [
                {"text": each.text, **each.model_dump(mode="json")} for each in settings.constraints
            ],
            "top": settings.top,
            "needs": [
                {"column": each.column, "called": each.called, "source": each.source}
                for each in self.needs
            ],
        }


def about_presets() -> tuple[AboutPreset, ...]:
    """All presets that ship, by name."""
    return tuple(map(about_preset, preset_names()))


def about_preset(name: str) -> AboutPreset:
    """A preset that ships.

    Raises:
        ConfigError: there is none of this name; names the nearest.
    """
    require_preset(name)
    settings = load_preset(name)
    predicting = {bundle: read_card(bundle).columns().keys() for bundle in DEFAULT_BUNDLES.values()}
    return AboutPreset(
        name,
        settings,
        tuple(
            Need(column, _called(column), _source(column, predicting))
            for column in inputs_of(settings, columns())
        ),
    )


def _source(column: str, predicting: dict[str, Any]) -> str:
    if column in STRUCTURAL_COLUMNS or not columns()[column].theory:
        return "follows from the drawing"
    value = column.removesuffix(PER_ATOM)
    bundles = [bundle for bundle, predicted in predicting.items() if value in predicted]
    if bundles:
        return f"predicted by {' and '.join(bundles)}, or a model of your own"
    computing = [
        each.name for each in levels().values() if value in each.yields and each.is_computed
    ]
    *_, last = DEFAULT_BUNDLES  # the level of a campaign's last stage
    return f"computed by {' or '.join(computing)} for finalists at {last}"


def _called(column: str) -> str:
    """A column in words, with its level of theory."""
    words, theory = words_of(column)
    return f"{theory} {words}".strip()
