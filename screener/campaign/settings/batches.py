"""How the rows that were chosen for a stage are written down."""

import numpy as np
import pyarrow as pa

from screener.funnel.recall import Audit


def with_audit(table: pa.Table, audit: Audit) -> pa.Table:
    """The rows of an audit with how they were drawn: `stratum`, and `stratum_rows`, its size."""
    sizes = audit.sizes[audit.strata]
    table = table.append_column("stratum", pa.array(audit.strata, pa.int64()))
    return table.append_column("stratum_rows", pa.array(sizes, pa.int64()))


def audit_of(table: pa.Table) -> Audit:
    """The audit that is written down in a batch."""
    audited = table.filter(table["stratum"].is_valid())
    strata = audited["stratum"].to_numpy()
    sizes = np.zeros(strata.max(initial=-1) + 1, dtype=np.int64)
    sizes[strata] = audited["stratum_rows"].to_numpy()
    return Audit(audited["row"].to_numpy(), strata, sizes)


def is_audit(batch: pa.Table) -> bool:
    """Whether a numbered batch is the audit, after which nothing more is chosen."""
    return "stratum" in batch.column_names
