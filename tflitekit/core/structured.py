"""The one reader of JSON and TOML that comes from outside: what it returns can be shown, computed with and written again."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tflitekit.core.errors import UnreadableError
from tflitekit.core.files import content_hash, decode_text, hash_json, read_bytes, shortened, write_json

__all__ = [
    "LARGEST",
    "check_model",
    "check_values",
    "describe_problem",
    "is_unicode",
    "parse_json",
    "read_json",
    "read_model",
    "read_record",
    "read_toml",
    "write_record",
]

MOST_NESTED = 200
"""Keras nests four levels a model inside a model; nothing that people write comes near."""
LARGEST = 1e100
"""What views compute with: squared errors of float32 stay below, and products of two still are numbers."""
_RECORD_LIMIT_BYTES = 1 << 30
_SMALLEST_INTEGER, _LARGEST_INTEGER = -(2**63), 2**64 - 1

Model = TypeVar("Model", bound=BaseModel)


def read_json(path: Path, *, limit_bytes: int | None = None) -> Any:
    """Reads a JSON file as `parse_json` does.

    Raises:
        UnreadableError: It is missing, no regular file, too large, no text, or not such JSON.
    """
    return parse_json(read_bytes(path, limit_bytes), str(path))


def parse_json(content: bytes | str, name: str, *, finite: bool = True) -> Any:
    """Returns the value of a JSON text, which may begin with a byte order mark.

    Args:
        name: Stands for the text in errors.
        finite: Refuse NaN and infinite numbers, which are no JSON; Keras writes them into configurations.

    Raises:
        UnreadableError: It is no JSON, repeats a key, nests deeper than `MOST_NESTED`, or holds a number or a text that
            cannot be stored.
    """
    text = content if isinstance(content, str) else decode_text(content, name)
    try:
        value = json.loads(text, object_pairs_hook=_object)
        check_values(value, finite=finite)
    except (ValueError, RecursionError) as error:
        raise _unusable(name, "JSON", error) from None
    return value


def read_toml(path: Path) -> dict[str, Any]:
    """Reads a TOML file.

    Raises:
        UnreadableError: As `read_json`.
    """
    text = decode_text(read_bytes(path), str(path))
    try:
        value = tomllib.loads(text)
        check_values(value)
    except (ValueError, RecursionError) as error:
        raise _unusable(str(path), "TOML", error) from None
    return value


_TOO_DEEP = f"it nests deeper than {MOST_NESTED} levels"


def _unusable(name: str, kind: str, error: Exception) -> UnreadableError:
    detail = _TOO_DEEP if isinstance(error, RecursionError) else shortened(str(error))
    return UnreadableError(name, f"it is not {kind} that can be used: {detail}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key '{shortened(twice)}' appears twice in one object")
    return value


def check_values(value: Any, *, finite: bool = True, largest: float = math.inf) -> None:
    """Looks at every number and text of a value made of lists and dictionaries.

    Raises:
        ValueError: A number is not finite, larger than ``largest`` or does not fit into 64 bits, a text has half a surrogate pair, or the value nests
            deeper than `MOST_NESTED`.
    """
    level: list[Any] = [value]
    for _ in range(MOST_NESTED):
        inner: list[Any] = []
        for one in level:
            inner.extend(_parts(one, finite, largest))
        if not inner:
            return
        level = inner
    raise ValueError(_TOO_DEEP)


def _parts(value: Any, finite: bool, largest: float) -> Iterable[Any]:
    """Checks one value; returns what it holds."""
    if isinstance(value, dict):
        return (*value.keys(), *value.values())
    if isinstance(value, list | tuple):
        return value
    if isinstance(value, str):
        if not value.isascii() and not is_unicode(value):
            raise ValueError(f"the text {shortened(ascii(value))} has half a surrogate pair")
    elif isinstance(value, float):
        if finite and not math.isfinite(value):
            raise ValueError(f"a number is {value}, which is not finite")
        if abs(value) > largest:
            raise ValueError(f"a number is {value}, which no measurement can be")
    elif isinstance(value, int) and not _SMALLEST_INTEGER <= value <= _LARGEST_INTEGER:
        raise ValueError("an integer does not fit into 64 bits")
    return ()


def is_unicode(text: str) -> bool:
    """Returns whether a text can be stored; a name from the file system or the command line in another encoding cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_model(model: type[Model], content: Any, name: str, *, largest: float = math.inf) -> Model:
    """Validates a value as `model`, and that it holds nothing else than what can be shown: "inf" is a number for pydantic.

    Raises:
        UnreadableError: It is not one; the reason names the first place that is wrong.
    """
    try:
        found = model.model_validate(content)
        check_values(found.model_dump(mode="python"), largest=largest)
    except ValidationError as error:
        raise UnreadableError(name, f"it is malformed at {describe_problem(error)}") from None
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError) as error:
        raise UnreadableError(name, f"it is malformed: {shortened(str(error))}") from None
    return found


def read_model(model: type[Model], path: Path, *, limit_bytes: int | None = None) -> Model:
    """Reads a JSON file that holds a `model`.

    Raises:
        UnreadableError: As `read_json` and `check_model`.
    """
    return check_model(model, read_json(path, limit_bytes=limit_bytes), str(path))


def write_record(path: Path, value: Any, *beside: str) -> None:
    """Writes a JSON value for later runs, with its hash and those of the files or folders ``beside`` it."""
    files = {name: content_hash(path.parent / name) for name in beside}
    write_json(path, {"sha256": hash_json(value), "value": value, "files": files})


def read_record(path: Path, model: type[Model]) -> Model | None:
    """Returns what `write_record` wrote; None where it is missing or anything of it is damaged, so that it is made again."""
    try:
        content = read_json(path, limit_bytes=_RECORD_LIMIT_BYTES)
        if not isinstance(content, dict) or content.get("sha256") != hash_json(content.get("value")):
            return None
        if any(content_hash(path.parent / name) != sha256 for name, sha256 in dict(content["files"]).items()):
            return None
        return check_model(model, content["value"], str(path))
    except (UnreadableError, OSError, ValueError, TypeError, LookupError):
        return None


def describe_problem(error: ValidationError) -> str:
    """Returns where the first problem is and what it is, short whatever the value is."""
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(map(str, problem["loc"])) or "its top level"
    return f"{shortened(place)}: {shortened(problem['msg'].removeprefix('Value error, '))}"
