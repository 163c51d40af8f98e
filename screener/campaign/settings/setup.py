"""A campaign with everything decided, as plain configuration: the content of `campaign.toml`.

It has two digests: of what is computed (a difference is refused) and of how it is ranked (a
difference makes another ranking). Where its results lie and how far it is is the business of
`screener.campaign.settings.stage`.
"""

from pathlib import Path
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
)

from screener.campaign.settings.differences import asked
from screener.campaign.settings.user_table import Joined
from screener.chemistry.structures import StructureSettings
from screener.funnel.settings import SearchSettings
from screener.ranking.columns import inputs_of
from screener.ranking.objectives import RankingSettings
from screener.stores.files import digest
from screener.stores.paths import Name

SCHEMA_VERSION = 2
LEVEL_2D = "2d"


class DrawingBundle(BaseModel):
    """A bundle that reads drawings, and is asked about the molecules of a stage as well."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bundle: str  # name of a shipped one, or a path
    digest: str


class Stage(BaseModel):
    """The configuration of one stage.

    Args:
        structures_digest: names what its structures are, or at `2d` the library's features.
        rows: how many of the best of the stage before enter; None for all, at the first stage.
        geometry: None at `2d`, where molecules are drawings.
        drawing_bundles: further bundles, whose columns stand beside those of `bundle`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    bundle: str  # name of a shipped one, or a path
    bundle_digest: str
    structures_digest: Name
    unit_rows: PositiveInt
    segment_units: PositiveInt  # files and receipts of so many are compacted into one
    wall_clock_seconds: PositiveFloat
    rows: PositiveInt | None = None
    geometry: StructureSettings | None = None
    drawing_bundles: tuple[DrawingBundle, ...] = ()

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without `drawing_bundles` where there are none: digests of such stages are older."""
        values: dict[str, Any] = handler(self)
        if not self.drawing_bundles:
            values.pop("drawing_bundles", None)
        return values

    @property
    def value_columns(self) -> tuple[str, ...]:
        """Columns that further levels compute at its structures."""
        return () if self.geometry is None else self.geometry.value_columns

    @property
    def level(self) -> str:
        """The geometry level, or `2d`."""
        return LEVEL_2D if self.geometry is None else self.geometry.level


class Setup(BaseModel):
    """The configuration of a campaign.

    Args:
        library: absolute path or URL.
        structures: absolute path or URL of the folder of structures; None where they lie beside
            the library, as `structures`.
        own_columns: the caller's columns by name in the library, and their names in predictions.
        known_column: name in predictions of the column that marks known molecules.
        joined: a table of the user's whose columns can be ranked by.
        versions: of the packages that decide what structures look like.
        acquisition: what chooses the rows of later stages.
        funnel: how the rows of the stage after `2d` are searched for; None where there is no such
            stage and every row is evaluated.
        ranking: of the first run; later ones lie in `rankings/`.
        weighs_stages: whether finalists are chosen with the known error between stages, and the
            better of two stages decides; False of campaigns that were begun before there was that.
        plugins: packages, versions and digests of levels, models, quantities and goals that come
            from others, by group and name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SCHEMA_VERSION
    library: str
    library_digest: str
    structures: str | None = None
    n_rows: PositiveInt
    known_column: str | None = None
    joined: Joined | None = None
    versions: dict[str, str]
    own_columns: dict[str, str]
    stages: tuple[Stage, ...]
    acquisition: RankingSettings
    funnel: SearchSettings | None = None
    ranking: RankingSettings
    weighs_stages: bool = False
    plugins: dict[str, dict[str, str]] = Field(default_factory=dict)

    @field_validator("library", "structures")
    @classmethod
    def _says_where(cls, url: str | None) -> str | None:
        if url is not None and ("\0" in url or not ("://" in url or Path(url).is_absolute())):
            raise ValueError(f"{url!r} is neither an absolute path nor a URL")
        return url

    @property
    def structures_root(self) -> str:
        """The folder of all structures, those of other settings and libraries among them."""
        return self.structures or f"{self.library.rstrip('/')}/structures"

    @property
    def compute(self) -> dict[str, Any]:
        """Everything that decides what is computed, as plain values."""
        return {
            "library_digest": self.library_digest,
            "versions": self.versions,
            "stages": {
                # the structures' digest follows from library, geometry and versions
                stage.name: stage.model_dump(
                    mode="json", exclude={"name", "bundle", "structures_digest", "segment_units"}
                )
                for stage in self.stages
            },
            "acquisition": asked(self.acquisition),
            **({} if self.funnel is None else {"funnel": self.funnel.model_dump(mode="json")}),
            **({} if self.acquired_by_joined is None else {"joined": self.acquired_by_joined}),
            **({"weighs_stages": True} if self.weighs_stages else {}),
            **({"plugins": self.deciding_plugins} if self.deciding_plugins else {}),
        }

    @property
    def deciding_plugins(self) -> dict[str, dict[str, str]]:
        """Plug-ins that decide what is computed: all but goals that only rank."""
        goals = {each.goal for each in self.acquisition.objectives}
        ranking_alone = {each.goal for each in self.ranking.objectives} - goals
        kept = {
            group: {name: text for name, text in named.items() if name not in ranking_alone}
            if group == "objectives"
            else named
            for group, named in self.plugins.items()
        }
        return {group: named for group, named in kept.items() if named}

    @property
    def compute_digest(self) -> str:
        """Names the computation; a campaign has one."""
        return digest(self.compute)

    @property
    def acquired_by_joined(self) -> str | None:
        """Digest of the joined table, if it decides which rows enter a stage."""
        return self._joined_for(self.acquisition)

    @property
    def ranked_by_joined(self) -> str | None:
        """Digest of the joined table, if the ranking reads it."""
        return self._joined_for(self.ranking)

    def _joined_for(self, settings: RankingSettings) -> str | None:
        if self.joined is None:
            return None
        read = inputs_of(settings, self.joined.columns)
        return self.joined.digest if set(read) & set(self.joined.columns) else None

    @property
    def ranking_digest(self) -> str:
        """Names the ranking: its folder below `rankings/`."""
        joined = {} if self.joined is None else {"joined": self.joined.digest}
        return digest({"ranking": self.ranking.digest, "known_column": self.known_column, **joined})

    def laid_out_as(self, frozen: "Setup") -> "Setup":
        """The same computation, with the names and files of the campaign that is there."""
        return self.model_copy(
            update={
                "stages": tuple(
                    stage.model_copy(
                        update={
                            "segment_units": kept.segment_units,
                            "structures_digest": kept.structures_digest,
                        }
                    )
                    for stage, kept in zip(self.stages, frozen.stages, strict=True)
                )
            }
        )

    @property
    def certain_columns(self) -> tuple[str, ...]:
        """The caller's columns in predictions, joined ones among them."""
        joined = () if self.joined is None else self.joined.columns
        return (*self.own_columns.values(), *joined)

    @property
    def predicting(self) -> tuple[Stage, ...]:
        """The stages that predict: all but `2d`."""
        return tuple(stage for stage in self.stages if stage.geometry is not None)
