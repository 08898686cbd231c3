"""Frozen dataclasses to plain JSON and back, each field checked against its type."""

import json
from dataclasses import asdict, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")


class PlainError(ValueError):
    """Data that is not of the form a dataclass is written in; the message names the field."""


def to_plain(record: Any) -> dict[str, Any]:
    """A dataclass as dictionaries, lists, numbers and strings; `from_plain` gives it back."""
    return json.loads(json.dumps(asdict(record)))


def from_plain(kind: type[T], data: object, where: str = "") -> T:
    """A record of a dataclass from `to_plain`'s form.

    Raises:
        PlainError: a field that is missing, unknown or of the wrong type.
    """
    record: T = _read(kind, data, where)
    return record


def _read(kind: Any, value: object, where: str) -> Any:
    if kind is Any:
        return value
    origin, inside = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        if not isinstance(value, dict):
            raise PlainError(f"{where or 'file'} is no object of settings")
        kinds = get_type_hints(kind)
        names = [each.name for each in fields(kind)]
        if wrong := sorted(set(value) ^ set(names)):
            raise PlainError(f"{where}: setting {wrong[0]!r} is missing or unknown; expected {', '.join(names)}")
        make: Any = kind
        given = {name: _read(kinds[name], value[name], f"{where}{name}.") for name in names}
        try:
            return make(**given)
        except ValueError as error:  # what the dataclass itself refuses
            raise PlainError(f"{where}{error}") from error
    if origin is tuple and inside[1:] != (Ellipsis,):
        raise TypeError(f"{kind} cannot be read; of tuples, only those of one type and any length")
    if origin is tuple and isinstance(value, list):
        return tuple(_read(inside[0], each, where) for each in value)
    if origin is dict and isinstance(value, dict):
        return {str(key): _read(inside[1], each, f"{where}{key}.") for key, each in value.items()}
    if origin is Literal and value in inside:
        return value
    if origin is UnionType and NoneType in inside:
        return None if value is None else _read(inside[0], value, where)
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(kind, type) and type(value) is kind:
        return value
    raise PlainError(f"{where.rstrip('.')} is {value!r}; expected {kind}")
