"""Which profiles there are: the kit's own, those of other packages, and files of the user's own."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tflitekit.core.errors import UnreadableError, UsageError
from tflitekit.core.files import shortened
from tflitekit.core.registry import Registry
from tflitekit.core.structured import read_toml
from tflitekit.hardware.profile import REFUSED, Profile
from tflitekit.schemes import parse_request

__all__ = ["ALIASES", "load_profile", "profile_names", "register_profiles"]

ALIASES = {"phone": "android-cpu"}
"""Earlier names, which stay understood: 'phone' named no processor, and the CPU is the one that every phone has."""

_LONGEST = 240

_registry: Registry[Path] = Registry("hardware profile", "tflitekit.hardware.profiles", "tflitekit.hardware")


def register_profiles(package: str) -> None:
    """Registers each ``.toml`` file in the folder of a package under its name without the ending."""
    for path in sorted(Path(str(files(package))).glob("*.toml"), key=_in_order):
        _registry.add(path.stem, path, package)


def _in_order(path: Path) -> list[tuple[bool, int | str]]:
    """Sorts numbers in names as numbers."""
    return [(part.isdecimal(), int(part) if part.isdecimal() else part) for part in path.stem.split("-")]


def profile_names() -> list[str]:
    """Returns the names of all profiles, the kit's own first."""
    return list(_registry.all())


def load_profile(name: str) -> Profile:
    """Returns a profile.

    Args:
        name: Of the kit or of a package that adds one, or the path of a ``.toml`` file.

    Raises:
        UsageError: There is none of that name, or the file is not a profile.
    """
    name = ALIASES.get(name, name)
    return _load_file(Path(name)) if name.endswith(".toml") else _load_known(name)


@functools.cache
def _load_known(name: str) -> Profile:
    return _load_file(_registry.find(name))


def _load_file(path: Path) -> Profile:
    content = _extended(path, ())
    try:
        profile = Profile.model_validate({"name": path.stem} | content)
    except ValidationError as error:
        raise _refusal(path, *_problem(error, content)) from None
    if profile.rest != REFUSED and profile.rest not in profile_names():
        raise _refusal(
            path,
            "rest",
            f"there is no profile '{shortened(profile.rest)}'",
            fix=f"Write {REFUSED}, or: {', '.join(profile_names())}.",
        )
    for scheme in profile.schemes:
        try:
            parse_request(scheme)
        except UsageError as error:
            raise _refusal(path, "schemes", error.what, fix=error.fix) from None
    return profile


def _extended(path: Path, seen: Sequence[Path]) -> dict[str, Any]:
    """Returns the content of a file over that of the profile that it extends.

    Tables are merged, and rules for operators replace those for the same operators; anything else is replaced.
    """
    if path in seen:
        raise _refusal(path, "extends", "profiles extend each other in a circle")
    try:
        content = read_toml(path)
    except UnreadableError as error:
        fix = f"Choose from {', '.join(profile_names())}, or give the path of a .toml file."
        raise UsageError(f"The hardware profile {path} cannot be read: {error.reason}.", fix=fix) from None
    base = content.pop("extends", None)
    if base is None:
        return content
    if not isinstance(base, str) or base not in profile_names():
        raise _refusal(path, "extends", f"there is no profile {shortened(repr(base))}", fix=_names())
    return _over(_extended(_registry.find(base), (*seen, path)), content)


def _over(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    merged = base | own
    for key, value in own.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            merged[key] = base[key] | value
    rules = own.get("operators")
    if isinstance(rules, list) and all(isinstance(rule, dict) for rule in rules):
        replaced = {name for rule in rules for name in rule.get("names", ()) if isinstance(name, str)}
        kept = [rule | {"names": [n for n in rule["names"] if n not in replaced]} for rule in base["operators"]]
        merged["operators"] = [*rules, *(rule for rule in kept if rule["names"])]
    return merged


_WORDS = {
    "extra_forbidden": "there is no such key in a profile",
    "missing": "it is missing",
    "string_pattern_mismatch": "write a version, such as 2.16.1",
    "string_type": "write a text",
    "int_type": "write a whole number",
    "int_parsing": "write a whole number",
    "bool_type": "write true or false",
    "bool_parsing": "write true or false",
    "tuple_type": "write a list, in brackets",
    "dict_type": "write a table",
    "model_type": "write a table",
    "too_short": "write at least {min_length}",
    "greater_than_equal": "write {ge} or more",
    "literal_error": "write {expected}",
}


def _problem(error: ValidationError, content: dict[str, Any]) -> tuple[str, str]:
    """Returns where the first problem is, in the terms of the file, and what it is."""
    first: Any = error.errors(include_url=False, include_input=False)[0]
    place = list(first["loc"])
    if len(place) > 1 and place[0] == "operators" and isinstance(place[1], int):
        names = (
            content["operators"][place[1]].get("names") if isinstance(content["operators"][place[1]], dict) else None
        )
        shown = ", ".join(map(str, names[:3])) if isinstance(names, list) else "no names"
        place[:2] = [f"operators {place[1] + 1} ({shown})"]
    keys = ", ".join(str(part) for part in place if isinstance(part, str))
    words = _WORDS.get(first["type"])
    if words is None:
        return keys, shortened(first["msg"].removeprefix("Value error, "), _LONGEST)
    return keys, words.format(**first.get("ctx", {}))


def _refusal(path: Path, place: str, problem: str, *, fix: str | None = None) -> UsageError:
    at = f" in {place}" if place else ""
    return UsageError(
        f"The hardware profile {path} has a mistake{at}: {problem.rstrip('.')}.",
        fix=fix or "docs/hardware.md says what stands in a profile; 'tflitekit hardware android-cpu --json' shows one.",
    )


def _names() -> str:
    return f"Choose from: {', '.join(profile_names())}."
