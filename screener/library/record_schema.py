"""The form that records of every input format take before they are standardised.

The caller's columns follow, named `own.` and their name in the library.
"""

import pyarrow as pa

OWN = "own."

# In front of these stands `input_order`, an int64 that grows over all records of all inputs: the
# number of the record's block times 2 ** ORDER_BITS, and its position in the block.
RECORD_SCHEMA = pa.schema(
    [
        ("source", pa.int32()),  # position in the list of inputs
        ("line", pa.int64()),
        ("molblock", pa.bool_()),
        ("text", pa.string()),
        ("source_id", pa.string()),
        ("code", pa.string()),  # null where the record could be read
        ("message", pa.string()),
    ]
)
ORDER_BITS = 32
