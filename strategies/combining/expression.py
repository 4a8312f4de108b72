"""Parse `name`, `name(parameter=value)` and `a+b(parameter=value)` into a strategy; `str(strategy)` is the inverse."""

from __future__ import annotations

import dataclasses
import fnmatch
import json
import math
import re
import types
from collections.abc import Sequence
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from backbones.errors import nearest
from strategies.base import Strategy, StrategyError
from strategies.combining.combine import combine
from strategies.registry import get, names

_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[+(),=]|[^\s+(),="]+)\s*', re.DOTALL)
_VALUE = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[^\s(),="]+)\s*', re.DOTALL)  # bare values may contain '+': 1e+20
_EXPECTED = {int: "a whole number", float: "a finite number", bool: "true or false", str: "text", type(None): "none"}

_WORDS: dict[Any, dict[str, Any]] = {bool: {"true": True, "false": False}, type(None): {"none": None}}


def parse(text: str) -> Strategy:
    """Return the strategy that `text` describes; `parse(str(strategy)) == strategy`.

    Raises only `StrategyError`: for a syntax error, an unknown name or parameter, a value of the wrong type or out of
    range, and parts that cannot be combined.
    """
    reader = _Reader(text)
    parts = [_part(reader)]
    while reader.position < len(text):
        reader.expect("+")
        parts.append(_part(reader))
    return combine(parts)


def expand(patterns: Sequence[str]) -> list[str]:
    """Return canonical texts for expressions, globs over names (`over*`) and comma-separated lists of both.

    Keeps the order and drops duplicates. Raises `StrategyError` for a glob that matches no name.
    """
    found: dict[str, None] = {}
    for pattern in (piece for text in patterns for piece in split(text)):
        if not is_glob(pattern):
            found[str(parse(pattern))] = None
            continue
        matches = fnmatch.filter(names(), pattern)
        if not matches:
            raise StrategyError(f"No strategy matches {pattern!r}{nearest(pattern, names())}; known: {_list(names())}.")
        found.update(dict.fromkeys(matches))
    return list(found)


def is_glob(text: str) -> bool:
    """Whether `text` is a glob over names rather than an expression."""
    return "(" not in text and bool(re.search(r"[*?\[]", text))


def split(text: str, separator: str = ",") -> list[str]:
    """Split `a,b(x=1,y=2)` at separators outside parentheses and quotes; empty pieces are dropped."""
    pieces, depth = [""], 0
    for token in re.findall(r'"(?:[^"\\]|\\.)*"|.', text, re.DOTALL):
        depth = max(0, depth + (token == "(") - (token == ")"))
        if token == separator and not depth:
            pieces.append("")
        else:
            pieces[-1] += token
    return [piece.strip() for piece in pieces if piece.strip()]


@dataclasses.dataclass
class _Reader:
    """The text and the position up to which it has been read."""

    text: str
    position: int = 0

    def peek(self) -> str:
        """Return the next token without moving on, "" at the end."""
        match = _TOKEN.match(self.text, self.position)
        return match[1] if match else ""

    def take(self, what: str, pattern: re.Pattern[str] = _TOKEN) -> str:
        """Return the next token and move on; `StrategyError` (expected `what`) if `pattern` does not match."""
        match = pattern.match(self.text, self.position)
        if not match:
            raise self.error(what)
        self.position = match.end()
        return match[1]

    def expect(self, *symbols: str) -> str:
        """Take one of `symbols`; `StrategyError` for any other token."""
        if self.peek() not in symbols:
            raise self.error(" or ".join(map(repr, symbols)))
        return self.take("")

    def error(self, expected: str) -> StrategyError:
        """Return the error for a text that does not continue with `expected`."""
        rest = self.text[self.position :].strip()
        where = f"at {rest[:20]!r}" if rest else "at its end"
        return StrategyError(
            f"The strategy {self.text!r} cannot be read {where}: expected {expected}; "
            "write name, name(parameter=value) or a+b(parameter=value)."
        )


def _part(reader: _Reader) -> Strategy:
    """Parse `name` or `name(parameter=value, ...)`."""
    if not re.match(r"\w", reader.peek()):
        raise reader.error("the name of a strategy")
    cls = get(reader.take("a name"))
    values: dict[str, Any] = {}
    if reader.peek() == "(":
        reader.take("")
        closing = reader.expect(")") if reader.peek() == ")" else ""
        while closing != ")":
            if not re.match(r"\w", reader.peek()):
                raise reader.error("the name of a parameter")
            field = _field(cls, reader.take("a parameter"))
            if field in values:
                raise StrategyError(f"{cls.name}: the parameter {field.replace('_', '-')!r} is given twice.")
            reader.expect("=")
            values[field] = _value(cls, field, reader.take("a value", _VALUE))
            closing = reader.expect(",", ")")
    try:
        return cls(**values)
    except StrategyError:
        raise
    except Exception as error:  # from a plugin's own checks, or a missing parameter
        raise StrategyError(f"{cls.name}: {' '.join(str(error).split())}") from error


def _field(cls: type[Strategy], text: str) -> str:
    """Return the dataclass field that `text` names; '-' and '_' are equivalent."""
    known = [f.name for f in dataclasses.fields(cls) if f.init]
    field = text.replace("-", "_")
    if field not in known:
        shown = [name.replace("_", "-") for name in known]
        takes = f"it takes {_list(shown)}" if shown else "it takes no parameters"
        raise StrategyError(f"{cls.name} has no parameter {text!r}{nearest(text, shown)}; {takes}.")
    return field


def _value(cls: type[Strategy], field: str, text: str) -> Any:
    """Convert `text` to the type of the field's annotation."""
    try:
        annotation = get_type_hints(cls)[field]
        value = json.loads(text, strict=False) if text.startswith('"') else text
    except (NameError, ValueError) as error:
        raise StrategyError(f"{cls.name}: {field.replace('_', '-')}={text} cannot be read: {error}.") from error
    choices = _choices(annotation)
    for choice in choices:
        try:
            return _convert(value, choice)
        except ValueError:
            continue
    expected = " or ".join(_EXPECTED[c] if isinstance(c, type) and c in _EXPECTED else str(c) for c in choices)
    raise StrategyError(f"{cls.name}: {field.replace('_', '-')} must be {expected}, got {text!r}.")


def _choices(annotation: Any) -> list[Any]:
    """Flatten unions and literals into a list of types and literal values."""
    if get_origin(annotation) in (Union, types.UnionType, Literal):
        return [choice for argument in get_args(annotation) for choice in _choices(argument)]
    return [annotation]


def _convert(text: str, choice: Any) -> Any:
    """Convert `text` to a literal value or a type; `ValueError` if that fails."""
    if not isinstance(choice, type) or choice in _WORDS:
        words = _WORDS.get(choice) or {str(choice): choice}
        if text not in words:
            raise ValueError
        return words[text]
    value = choice(text)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError
    return value


def _list(words: Sequence[str]) -> str:
    return ", ".join(words)
