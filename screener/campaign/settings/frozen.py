"""A campaign with everything decided: what is frozen to `campaign.toml`, and what workers are told.

Made by `screener.campaign.settings.resolve` from what was asked, or read back from the folder. It
has two digests: of what is computed (a difference is refused) and of how it is ranked (a difference
makes another ranking).
"""

import tomllib
from pathlib import Path
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_validator,
)

from screener.campaign.settings.batches import is_last
from screener.campaign.settings.job import StageJob
from screener.campaign.settings.plan import StagePlan
from screener.campaign.settings.user_table import Joined, keep_joined
from screener.chemistry.structures import StructureSettings
from screener.errors import ConfigError, SchemaError
from screener.funnel.recall import N_STRATA
from screener.funnel.search import SearchSettings
from screener.ranking.columns import inputs_of
from screener.ranking.objectives import RankingSettings
from screener.stores.files import Folder, digest
from screener.stores.frozen_toml import to_toml
from screener.stores.joined import JoinedTable
from screener.stores.library import LibraryStore
from screener.stores.paths import Name
from screener.stores.predictions import PredictionStore

SCHEMA_VERSION = 2
LEVEL_2D = "2d"
SEARCHED = 1  # place of the stage whose rows a search chooses, after `2d`
FILE = "campaign.toml"
_HEAD = b"# Frozen by the campaign's first run; the same settings resume it.\n\n"


class Stage(BaseModel):
    """One stage, resolved.

    Args:
        structures_digest: names what the library keeps for it: structures, or features at `2d`.
        rows: how many of the best of the stage before enter; None for all, at the first stage.
        geometry: None at `2d`, where molecules are drawings.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    bundle: str  # name of a shipped one, or a path
    bundle_digest: str
    structures_digest: Name
    unit_rows: PositiveInt
    segment_units: PositiveInt  # files and receipts of so many are joined
    wall_clock_seconds: PositiveFloat
    rows: PositiveInt | None = None
    geometry: StructureSettings | None = None

    @property
    def value_columns(self) -> tuple[str, ...]:
        """Columns that further levels compute at its structures."""
        return () if self.geometry is None else self.geometry.value_columns

    @property
    def level(self) -> str:
        """The geometry level, or `2d`."""
        return LEVEL_2D if self.geometry is None else self.geometry.level


class Setup(BaseModel):
    """A campaign, resolved; the content of `campaign.toml`.

    Args:
        library: absolute path or URL.
        own_columns: the caller's columns by name in the library, and their names in predictions.
        known_column: name in predictions of the column that marks known molecules.
        joined: a table of the user's whose columns can be ranked by.
        versions: of the packages that decide what structures look like.
        acquisition: what chooses the rows of later stages.
        funnel: how the rows of the stage after `2d` are searched for; None where there is no such
            stage and every row is evaluated.
        ranking: of the first run; later ones lie in `rankings/`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SCHEMA_VERSION
    library: str
    library_digest: str
    n_rows: PositiveInt
    known_column: str | None = None
    joined: Joined | None = None
    versions: dict[str, str]
    own_columns: dict[str, str]
    stages: tuple[Stage, ...]
    acquisition: RankingSettings
    funnel: SearchSettings | None = None
    ranking: RankingSettings

    @field_validator("library")
    @classmethod
    def _says_where(cls, library: str) -> str:
        if "\0" in library or not ("://" in library or Path(library).is_absolute()):
            raise ValueError(f"{library!r} is neither an absolute path nor a URL")
        return library

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
        }

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

    def stage_digest(self, stage: Stage) -> str:
        """Part of the names of the stage's units."""
        return digest(
            {
                "library": self.library_digest,
                "stage": stage.model_dump(mode="json", exclude={"rows", "segment_units"}),
            }
        )

    def laid_out_as(self, frozen: "Setup") -> "Setup":
        """The same computation, its files joined as in the campaign that is there."""
        return self.model_copy(
            update={
                "stages": tuple(
                    stage.model_copy(update={"segment_units": there.segment_units})
                    for stage, there in zip(self.stages, frozen.stages, strict=True)
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

    def is_searched(self, index: int) -> bool:
        """Whether the rows of a stage are searched for while it runs."""
        return self.funnel is not None and index == SEARCHED

    def n_chosen(self, index: int) -> int:
        """How many of the best of the stage before enter a stage at most."""
        rows = self.stages[index].rows
        return self.n_rows if rows is None else min(rows, self.n_rows)

    def n_audit(self, index: int) -> int:
        """How many others enter it, to tell how many of the best are not among these."""
        if self.funnel is None or index <= SEARCHED:
            return 0
        return max(N_STRATA, round(self.funnel.audit * self.n_chosen(index)))

    def n_entering(self, index: int) -> int:
        """How many rows enter a stage at most."""
        return min(self.n_chosen(index) + self.n_audit(index), self.n_rows)

    def k(self, index: int) -> int:
        """How many of the best of a stage are wanted: by the next stage, or for the shortlist."""
        if index == len(self.stages) - 1:
            return self.ranking.pool
        return 1 if self.is_searched(index + 1) else self.n_chosen(index + 1)

    def store(self, folder: Folder, index: int) -> PredictionStore:
        """The predictions of a stage."""
        return PredictionStore(folder, self.stages[index].name, self.joined_in(folder))

    def joined_in(self, folder: Folder) -> JoinedTable | None:
        """The joined table, as it is kept with the campaign."""
        if self.joined is None:
            return None
        return JoinedTable(folder, self.joined.digest, self.joined.key)

    def structures(self, stage: Stage) -> Folder:
        """What the library keeps for a stage: structures, or features at `2d`."""
        kind = "features" if stage.geometry is None else "structures"
        return Folder(self.library).child(f"{kind}/{stage.structures_digest}")

    def require_writable(self, folder: Folder) -> None:
        """See beforehand whether results and structures could be written.

        Raises:
            StoreError: they cannot.
        """
        for each in (folder, *map(self.structures, self.stages)):
            each.require_writable()

    def job(self, folder: Folder, index: int) -> StageJob:
        """What a worker is told of a stage."""
        stage = self.stages[index]
        return StageJob(
            campaign=folder.url,
            library=self.library,
            library_digest=self.library_digest,
            stage=stage.name,
            bundle=stage.bundle,
            bundle_digest=stage.bundle_digest,
            geometry=stage.geometry,
            structures=self.structures(stage).url,
            structures_digest=stage.structures_digest,
            wall_clock_seconds=stage.wall_clock_seconds,
            own_columns=tuple(self.own_columns.items()),
            acquisition=self.acquisition,
            joined=None if self.acquired_by_joined is None else self.joined_in(folder),
            k=self.k(index),
        )


def stage_plan(folder: Folder, setup: Setup, index: int) -> StagePlan | None:
    """The plan of a stage; None while its rows are not chosen yet."""
    stage = setup.stages[index]
    name = setup.stage_digest(stage)
    if stage.rows is None:
        return StagePlan.whole(name, setup.n_rows, stage.unit_rows, stage.segment_units)
    store = setup.store(folder, index)
    if setup.is_searched(index):
        batches = store.read_batches()
    else:
        batches = [batch for batch in [store.read_batch()] if batch is not None]
    if not batches:
        return None
    return StagePlan.chosen(
        name,
        [batch["row"].to_pylist() for batch in batches],
        stage.unit_rows,
        stage.segment_units,
        is_open=setup.is_searched(index) and not is_last(batches[-1]),
    )


def n_units_expected(setup: Setup, plan: StagePlan) -> int:
    """Units of a stage with those of the batches that may still be chosen."""
    if not plan.is_open or setup.funnel is None:
        return plan.n_units
    left = setup.funnel.sizes(setup.n_rows)[len(plan.batches) :]
    return plan.n_units + sum(-(-n_rows // plan.unit_rows) for n_rows in left)


def asked(settings: RankingSettings) -> dict[str, list[str]]:
    """Objectives and constraints as text, and by what; equal when they rank alike."""
    by: dict[str, list[str]] = {} if settings.by == "value" else {"by": [settings.by]}
    return by | {
        "objectives": [each.text for each in settings.objectives],
        "constraints": [each.text for each in settings.constraints],
    }


def differences(there: Any, now: Any, path: str = "") -> list[str]:
    """What differs between two values made of dicts, key by key, for a person.

    A dict that one side lacks is told as a whole, and digests, which nobody can read, as different.
    """
    if isinstance(there, dict) and isinstance(now, dict):
        keys = [*there, *(key for key in now if key not in there)]
        return [
            line
            for key in keys
            for line in differences(there.get(key), now.get(key), f"{path}.{key}" if path else key)
        ]
    if there == now:
        return []
    if now is None and isinstance(there, dict):
        return [f"{path}: in the campaign, not asked now"]
    if there is None and isinstance(now, dict):
        return [f"{path}: asked now, not in the campaign"]
    if path.endswith("digest"):
        return [f"{path.removesuffix('_digest')}: another one now"]
    return [f"{path}: {_shown(there)} in the campaign, {_shown(now)} now"]


def _shown(value: Any) -> str:
    return "nothing" if value is None else str(value)


def write_setup(folder: Folder, setup: Setup) -> None:
    """Freeze a campaign; an existing `campaign.toml` stays as it is.

    Raises:
        StoreError: the folder cannot be written.
    """
    if setup.joined is not None:
        keep_joined(folder, setup.joined, LibraryStore.open(setup.library))
    folder.create_bytes(FILE, _HEAD + to_toml(setup.model_dump(mode="json")).encode())


def read_setup(folder: Folder) -> Setup | None:
    """The frozen campaign in a folder; None where there is none.

    Raises:
        SchemaError: the file is broken or of another version.
    """
    if not folder.exists(FILE):
        return None
    where = f"{folder.url}/{FILE}"
    try:
        values = tomllib.loads(folder.read_bytes(FILE).decode())
        version = values.get("schema_version")
        if version != SCHEMA_VERSION:
            raise SchemaError(
                f"{where} has schema version {version}, this screener reads {SCHEMA_VERSION}; "
                "use the screener that made it, or another --out"
            )
        return Setup.model_validate(values)
    except (ValueError, ValidationError, ConfigError) as error:
        raise SchemaError(f"{where} was not written by screener, or was edited: {error}") from error


def open_setup(folder: Folder) -> Setup:
    """The frozen campaign in a folder.

    Raises:
        ConfigError: the folder holds no campaign.
    """
    setup = read_setup(folder)
    if setup is None:
        raise ConfigError(
            f"{folder.url} is not a campaign: it has no {FILE}; start one with `screener screen`"
        )
    return setup
