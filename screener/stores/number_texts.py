"""Numbers that are written as text, as in CSV files.

Text is a number for whoever ranks by it where all of it reads as one, whether or not it is stored
as one: `007`, `1.10` and `1E05` are stored as they are, because a number would come out as `7`,
`1.1` and `100000`. What spreadsheets and data frames write where there is no value (`NA`, `NaN`,
`None`) is a missing number, and so is an empty field.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

# as pandas and R write and read it, in any case
_MISSING = (
    *("", "na", "nan", "none", "null", "<na>", "n/a", "#n/a", "#na", "#n/a n/a", "-nan"),
    *("nat", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"),
)
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?$"  # in lower case
_INTEGER = r"^(0|-?[1-9][0-9]{0,18})$"
_SHOWN = 60  # characters of a value in a message


@dataclass(frozen=True, slots=True)
class TextFacts:
    """What the texts of a column, or of a part of it, are; facts of parts are joined by `and_`.

    Args:
        is_empty: there is none.
        as_int: every one is what an int64 is written as.
        as_float: every one is what a float64 is written as.
    """

    is_empty: bool
    as_int: bool
    as_float: bool

    def and_(self, other: "TextFacts") -> "TextFacts":
        """The facts of both parts together."""
        return TextFacts(
            self.is_empty and other.is_empty,
            self.as_int and other.as_int,
            self.as_float and other.as_float,
        )


def text_facts(column: pa.ChunkedArray) -> TextFacts:
    """What the texts of a column are.

    Args:
        column: (n,) strings; nulls say nothing.
    """
    texts = column.drop_null()
    if not len(texts):
        return TextFacts(is_empty=True, as_int=True, as_float=True)
    return TextFacts(False, _come_back(texts, pa.int64()), _come_back(texts, pa.float64()))


def _come_back(texts: pa.ChunkedArray, kind: pa.DataType) -> bool:
    """Whether the texts are written again as they are once they have been read as numbers."""
    pattern = _INTEGER if pa.types.is_integer(kind) else _NUMBER
    if not pc.all(pc.match_substring_regex(texts, pattern)).as_py():
        return False
    try:
        return bool(texts.cast(kind).cast(pa.string()).equals(texts))
    except pa.ArrowInvalid:  # an integer of more than 64 bits
        return False


def first_text(column: pa.ChunkedArray) -> tuple[int, str] | None:
    """The first value that is no number, nor missing.

    Args:
        column: (n,) strings.
    Returns:
        its place from 0, and the value, which is cut where it is long; None where there is none.
    """
    bad = _read(column)[1]
    if not bad.any():
        return None
    place = int(np.argmax(bad))
    text = column[place].as_py()
    return place, text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def numbers_of(column: pa.ChunkedArray) -> FloatArray:
    """Texts as numbers.

    Args:
        column: (n,) strings.
    Returns:
        float64 (n,), NaN where there is no number.
    """
    return _read(column)[0]


def are_marks(column: pa.ChunkedArray) -> pa.Array:
    """Whether texts say something: neither missing, nor zero or false.

    Args:
        column: (n,) strings.
    Returns:
        (n,) booleans.
    """
    values, bad = _read(column)
    return pa.array(bad | (np.nan_to_num(values) != 0))


def _read(column: pa.ChunkedArray) -> tuple[FloatArray, NDArray[np.bool_]]:
    """(n,) numbers, NaN where there is none; (n,) whether a text is neither one nor missing."""
    texts = pc.utf8_lower(pc.utf8_trim_whitespace(column.combine_chunks()))
    # `true` and `false` are what a program writes of a column of ones and zeros
    texts = pc.if_else(
        pc.equal(texts, "true"), "1", pc.if_else(pc.equal(texts, "false"), "0", texts)
    )
    missing = pc.fill_null(pc.is_in(texts, pa.array(_MISSING)), True)
    is_number = pc.fill_null(pc.match_substring_regex(texts, _NUMBER), False)
    digits = pc.replace_substring_regex(pc.if_else(is_number, texts, None), r"^\+", "")
    values = np.array(digits.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
    values[~np.isfinite(values)] = np.nan
    bad = ~(pc.or_(missing, is_number).to_numpy(zero_copy_only=False))
    bad &= column.combine_chunks().is_valid().to_numpy(zero_copy_only=False)
    return values, bad.astype(bool)
