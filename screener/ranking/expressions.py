"""Columns made of others by arithmetic: `lumo_b3lyp_ev - homo_b3lyp_ev`, `log(price)`.

The text is read by Python's own parser and walked by the few kinds of nodes that arithmetic has;
nothing is executed as Python. A name is a column; one with other characters than letters, digits
and underscores stands in quotes: `"price:eur" / n_heavy`. What is no number (a logarithm of zero, a
division by zero, an input without a value) is no value.
"""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from screener.errors import ConfigError

FloatArray = NDArray[np.float64]

_OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
}
# name -> function and how many arguments it takes at least and at most
_FUNCTIONS: Mapping[str, tuple[Callable[..., Any], int, int]] = {
    "abs": (np.abs, 1, 1),
    "exp": (np.exp, 1, 1),
    "log": (np.log, 1, 1),
    "log10": (np.log10, 1, 1),
    "sqrt": (np.sqrt, 1, 1),
    "min": (lambda *values: _folded(np.minimum, values), 2, 8),
    "max": (lambda *values: _folded(np.maximum, values), 2, 8),
}
MAX_NODES = 200  # far more than anybody writes; deep nesting would exhaust the stack


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression.

    Args:
        text: as it was written.
        columns: that it reads, each once, in order of appearance.
    """

    text: str
    columns: tuple[str, ...]

    def values(self, columns: Mapping[str, FloatArray]) -> FloatArray:
        """Evaluate.

        Args:
            columns: float64 (n,) for each of `columns`, NaN for no value.
        Returns:
            float64 (n,), NaN where the result is not a finite number.
        """
        size = len(next(iter(columns.values())))
        with np.errstate(all="ignore"):
            computed = np.asarray(_value(_parsed(self.text), columns), dtype=np.float64)
        result = np.array(np.broadcast_to(computed, (size,)))
        result[~np.isfinite(result)] = np.nan
        return result


@lru_cache(maxsize=256)
def parse_expression(text: str) -> Expression:
    """An expression from its text.

    Raises:
        ConfigError: it is not arithmetic on columns; says what may be written.
    """
    names: list[str] = []
    _check(_parsed(text), text, names)
    if not names:
        raise ConfigError(f"expression {text!r} reads no column")
    return Expression(text, tuple(dict.fromkeys(names)))


def is_name(text: str) -> bool:
    """Whether the text is a plain name and no arithmetic."""
    return text.isidentifier()


def _parsed(text: str) -> ast.expr:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _refused(text, "it cannot be read") from error


def _check(node: ast.expr, text: str, names: list[str]) -> None:
    if sum(1 for _ in ast.walk(node)) > MAX_NODES:
        raise _refused(text, f"it has more than {MAX_NODES} parts")
    for each in _steps(node, text):
        if isinstance(each, ast.Name):
            names.append(each.id)
        elif isinstance(each, ast.Constant) and isinstance(each.value, str):
            names.append(each.value)


def _steps(node: ast.expr, text: str) -> list[ast.expr]:
    """The node and all below it, from left to right, if each is allowed."""
    match node:
        case ast.Name():
            below: list[ast.expr] = []
        case ast.Constant(value=value) if type(value) in (int, float, str):
            below = []
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            below = [operand]
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _OPERATORS:
            below = [left, right]
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            if name not in _FUNCTIONS:
                raise _refused(text, f"there is no function {name!r}")
            _, fewest, most = _FUNCTIONS[name]
            if not fewest <= len(arguments) <= most:
                wanted = f"{fewest}" if fewest == most else f"{fewest} to {most}"
                raise _refused(text, f"{name} takes {wanted} arguments, not {len(arguments)}")
            below = list(arguments)
        case _:
            raise _refused(text, f"{ast.unparse(node)!r} is not arithmetic on columns")
    return [node, *(step for each in below for step in _steps(each, text))]


def _value(node: ast.expr, columns: Mapping[str, FloatArray]) -> Any:
    match node:
        case ast.Name(id=name):
            return columns[name]
        case ast.Constant(value=str(name)):
            return columns[name]
        case ast.Constant(value=value):
            return np.float64(value)  # type: ignore[arg-type]  # a number: checked when parsed
        case ast.UnaryOp(op=operator, operand=operand):
            value = _value(operand, columns)
            return -value if isinstance(operator, ast.USub) else value
        case ast.BinOp(left=left, op=binary, right=right):
            return _OPERATORS[type(binary)](_value(left, columns), _value(right, columns))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _FUNCTIONS[name][0](*(_value(each, columns) for each in arguments))
    raise AssertionError(ast.dump(node))  # refused when it was parsed


def _folded(function: Callable[[Any, Any], Any], values: tuple[Any, ...]) -> Any:
    first, *others = values
    for each in others:
        first = function(first, each)  # NaN where either is
    return first


def _refused(text: str, why: str) -> ConfigError:
    return ConfigError(
        f"expression {text!r}: {why}; write columns and numbers with + - * / ** and the functions "
        f"{', '.join(sorted(_FUNCTIONS))}, and a column with other characters in quotes: "
        '"my column"'
    )
