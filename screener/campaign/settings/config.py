"""What a person asks of a campaign, from a TOML file, from options or from both.

Everything may be left out: what is not said is taken from the campaign's frozen configuration where
there is one, and otherwise from the defaults of `screener.campaign.settings.resolve`. Text is
checked here once; whether bundles, columns and library fit each other is checked there.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from screener.campaign.settings.ranking import RankingConfig
from screener.campaign.settings.renamed import with_new_names
from screener.campaign.settings.user_table import JoinConfig
from screener.chemistry.structures import StructureSettings
from screener.errors import ConfigError
from screener.funnel.settings import OLD_NAMES, AcquisitionSettings, SearchSettings
from screener.models.shipped import DEFAULT_BUNDLES
from screener.ranking.objectives import Constraint, Objective
from screener.registry.columns import levels
from screener.stores.toml import read_toml


class StageConfig(BaseModel):
    """One stage: structures at one geometry level, and the bundle that predicts from them.

    Args:
        bundle: name of a shipped bundle or the path of a folder.
        name: names the stage's folders; by default its geometry level.
        geometry: must be the bundle's own level, which is the default.
        n_conformers: conformers tried per molecule, the lowest is kept; by default the bundle's.
        unit_rows: rows per task; by default at most 512 at `mmff94` and 32 at `gfn2-opt`, fewer
            in a small library.
        wall_clock_seconds: what one molecule may take before it is set aside; by default 60
            at `mmff94` and 600 at `gfn2-opt`.
        rows: how many rows enter; by default all at the first stage and `finalists` at later ones.
        redox_solvent: for ionisation potential and electron affinity at `gfn2-opt`; by default
            acetonitrile for rows that were chosen, `none` for a whole library.
        values: names of further levels of the registry, computed at the structures; their columns
            can be ranked by.
        settings: of levels, by name, as far as they are to be others than the levels' own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bundle: str
    name: str | None = None
    geometry: str | None = None
    n_conformers: PositiveInt | None = None
    unit_rows: PositiveInt | None = None
    wall_clock_seconds: PositiveFloat | None = None
    rows: PositiveInt | None = None
    redox_solvent: str | None = None
    values: tuple[str, ...] = ()
    settings: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)

    @field_validator("geometry")
    @classmethod
    def _can_be_made(cls, geometry: str | None) -> str | None:
        if geometry is not None:
            StructureSettings.at(geometry)
        return geometry

    @field_validator("name")
    @classmethod
    def _names_a_folder(cls, name: str | None) -> str | None:
        if name is not None and not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name):
            raise ConfigError(
                f"stage name {name!r}: use small letters, digits, '.', '_' and '-': mmff94-2"
            )
        return name

    @classmethod
    def parse(cls, text: str) -> "StageConfig":
        """A stage from the command line: a geometry level, a bundle, or `BUNDLE@LEVEL`.

        Raises:
            ConfigError: the text is empty.
        """
        bundle, at, level = text.strip().rpartition("@")
        if not at or level not in levels():
            bundle, level = text.strip(), ""
        if not bundle:
            raise ConfigError(f"stage {text!r}: write a geometry level, a bundle, or BUNDLE@LEVEL")
        return cls.model_validate(
            {"bundle": DEFAULT_BUNDLES.get(bundle, bundle), "geometry": level or None}
        )


class FunnelConfig(BaseModel):
    """How the rows of the first stage are chosen, where it is too dear for the whole library.

    Args:
        budget: molecules that the first stage evaluates in all.
        initial_fraction, audit, batches, min_expected_gain, seed: as in `SearchSettings`.
        rule, exploration, beta: as in `AcquisitionSettings`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    budget: PositiveInt | None = None
    initial_fraction: float | None = None
    audit: float | None = None
    batches: PositiveInt | None = None
    min_expected_gain: float | None = None
    seed: int | None = None
    rule: str | None = None
    exploration: float | None = None
    beta: float | None = None

    @model_validator(mode="before")
    @classmethod
    def _old_names(cls, values: Any) -> Any:
        return with_new_names(values, OLD_NAMES, "[funnel]") if isinstance(values, dict) else values

    def settings(self, known: SearchSettings | None, top_n: int) -> SearchSettings | None:
        """The settings asked for; None where there is no budget and everything is evaluated.

        Args:
            known: what the campaign has; supplies what is not said.
            top_n: how many of the best are looked for in a campaign that begins.
        Raises:
            ConfigError: a share is no share, or an unknown rule.
        """
        said = {name: value for name, value in self.model_dump().items() if value is not None}
        if known is None and "budget" not in said:
            if said:
                raise ConfigError(
                    f"the funnel has no budget, and {', '.join(said)}; give one: --budget 50000"
                )
            return None
        values: dict[str, Any] = {"top_n": top_n} if known is None else known.model_dump()
        acquisition = dict(values.get("acquisition", {}))
        for name, value in said.items():
            if name in AcquisitionSettings.model_fields:
                acquisition[name] = value
            else:
                values["n_batches" if name == "batches" else name] = value
        try:
            return SearchSettings.model_validate({**values, "acquisition": acquisition})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise ConfigError(f"funnel: {place}: {first['msg']}") from error


class CampaignConfig(BaseModel):
    """A campaign as it was asked for.

    Args:
        library: folder or URL of the library.
        out: folder or URL of the campaign.
        stages: in the order of the funnel; by default the direct model at `mmff94` on all rows and
            the delta model at `gfn2-opt` on the finalists.
        finalists: rows that enter a later stage; by default five times the shortlist.
        ranking: objectives, constraints and the size of the shortlist.
        acquisition: what chooses the rows of later stages; by default the ranking of the first run.
        funnel: a budget for the first stage, and how it is spent; by default it takes all rows.
        known_column: own column; rows in which it is not empty are known molecules, marked in the
            shortlist and followed by the report.
        join: a table of prices or the like, whose columns can be ranked by.
        drawing_bundles: names or paths of bundles that read drawings, such as one of boiling
            points; every stage that predicts has their columns beside its own.
        structures: folder or URL of structures, which several libraries may share; by default
            beside the library.
        reselect: folder or URL of a campaign: a new one takes from it whatever is not said here.
            Objectives that are given choose the rows of its later stages anew; structures that the
            library has are used again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    library: str | None = None
    out: str | None = None
    stages: tuple[StageConfig, ...] | None = None
    finalists: PositiveInt | None = None
    ranking: RankingConfig = RankingConfig()
    acquisition: RankingConfig = RankingConfig()
    funnel: FunnelConfig = FunnelConfig()
    known_column: str | None = None
    join: JoinConfig | None = None
    drawing_bundles: tuple[str, ...] | None = None
    structures: str | None = None
    reselect: str | None = None

    @classmethod
    def from_mapping(cls, values: dict[str, Any], where: str) -> "CampaignConfig":
        """A configuration from plain values.

        Args:
            values: the fields by name.
            where: file or call, for the message.
        Raises:
            ConfigError: a key is misspelt or a value does not fit.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise ConfigError(f"{where}: {place}: {first['msg']}") from error
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from error

    def with_options(
        self,
        *,
        library: str | None = None,
        out: str | None = None,
        stages: Sequence[str | StageConfig] = (),
        finalists: int | None = None,
        preset: str | None = None,
        objectives: Sequence[str | Objective] = (),
        constraints: Sequence[str | Constraint] = (),
        by: str | None = None,
        top: int | None = None,
        max_similarity: float | None = None,
        per_scaffold: int | None = None,
        budget: int | None = None,
        known_column: str | None = None,
        join: str | None = None,
        on: str | None = None,
        drawing_bundles: Sequence[str] = (),
        structures: str | None = None,
        reselect: str | None = None,
    ) -> "CampaignConfig":
        """The same with what is given here instead; an option that is left out changes nothing.

        Args:
            library: folder or URL.
            out: folder or URL.
            stages: text as for `StageConfig.parse`, or stages.
            finalists: rows that enter a later stage.
            preset: name or path.
            objectives: text as on the command line, or objectives.
            constraints: the same.
            by: `value`, `bound`, `probability` or `pareto`.
            top: size of the shortlist.
            max_similarity: of two molecules in it.
            per_scaffold: molecules of one scaffold in it.
            budget: molecules that the first stage evaluates.
            known_column: own column that marks known molecules.
            join: path or URL of a table to rank by.
            on: its column that says which molecule, `inchikey` or `smiles`.
            drawing_bundles: names or paths of bundles that read drawings.
            structures: folder or URL of structures.
            reselect: campaign that supplies what is not said.
        Returns:
            the changed configuration.
        Raises:
            ConfigError: a text or number does not fit.
        """
        ranking = {
            "preset": preset,
            "objectives": tuple(objectives) or None,
            "constraints": tuple(constraints) or None,
            "by": by,
            "top": top,
            "max_similarity": max_similarity,
            "per_scaffold": per_scaffold,
        }
        parsed = tuple(
            StageConfig.parse(stage) if isinstance(stage, str) else stage for stage in stages
        )
        values = {
            "library": library,
            "out": out,
            "stages": parsed or None,
            "finalists": finalists,
            "known_column": known_column,
            "drawing_bundles": tuple(drawing_bundles) or None,
            "structures": structures,
            "reselect": reselect,
        }
        kept = {name: getattr(self, name) for name in type(self).model_fields}
        kept["ranking"] = {name: getattr(self.ranking, name) for name in ranking}
        kept["ranking"] |= {name: value for name, value in ranking.items() if value is not None}
        if join is not None:
            kept["join"] = {"table": join, "on": on}
        elif on is not None:
            raise ConfigError(f"--on {on} says how a table is joined; give the table with --join")
        if budget is not None:
            kept["funnel"] = {**self.funnel.model_dump(), "budget": budget}
        kept |= {name: value for name, value in values.items() if value is not None}
        return CampaignConfig.from_mapping(kept, "options")


def read_config(path: str) -> CampaignConfig:
    """The configuration in a TOML file, without its `[cluster]` table.

    Raises:
        ConfigError: the file is missing, is not TOML, or says something unknown; names the line.
    """
    values = read_toml(path)
    values.pop("cluster", None)  # where it is done changes nothing of what is done
    return CampaignConfig.from_mapping(values, path)
