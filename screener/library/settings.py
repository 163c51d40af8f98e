"""What a library build is asked for, and how its work is cut."""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from screener.chemistry.standardise import StandardiseSettings


class BuildSettings(BaseModel):
    """Everything that decides what a library holds, besides its inputs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    molecules: StandardiseSettings = StandardiseSettings()
    smiles_column: str | None = None  # of tables; None: found by its name
    id_column: str | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """How the work is cut. Nothing of it but the last four shows in a library."""

    span_bytes: int = 64 << 20  # of a text input, looked through for records by one task
    span_rows: int = 1 << 20  # of a Parquet input, copied by one task
    segment_bytes: int = 16 << 20  # of a text input that is unpacked into files
    first_block_rows: int = 1024  # blocks grow, so that small inputs keep all workers busy
    block_rows: int = 8192
    block_bytes: int = 16 << 20  # mol blocks are long
    bucket_rows: int = 1 << 22  # keys in one bucket of the deduplication: 170 MB
    shard_rows: int = 65536
    row_group_rows: int = 4096
    blocks_per_part: int = 16  # of the tables of duplicates and quarantine

    def rows_of_block(self, block: int) -> int:
        """Records in a block: every eighth block doubles the size, up to `block_rows`."""
        return min(self.block_rows, self.first_block_rows << min(block // 8, 30))
