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
    """How the work is cut. Blocks and buckets leave no trace in the shards."""

    first_block_rows: int = 1024  # blocks grow, so that small inputs keep all workers busy
    block_rows: int = 8192
    block_characters: int = 16 << 20  # mol blocks are long
    bucket_bytes: int = 256 << 20  # of input, unpacked, per bucket of the deduplication
    shard_rows: int = 65536
    row_group_rows: int = 4096
    blocks_per_part: int = 16  # of the tables of duplicates and quarantine

    def rows_of_block(self, block: int) -> int:
        """Records in a block: every eighth block doubles the size, up to `block_rows`."""
        return min(self.block_rows, self.first_block_rows << min(block // 8, 30))
