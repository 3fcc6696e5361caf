"""Older reports become what this version writes. Each step takes one version to the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tflitekit.results.latency import Samples

__all__ = ["SCHEMA_VERSION", "migrate"]

# History:
#   1 - first version.
#   2 - warnings are objects with kind, message and advice; raw samples are packed, by round; intervals and ratios of
#       latency, recall by class with its drop, hits, confusion, confidence, flips, profile, sustained load.
SCHEMA_VERSION = 2

Content = dict[str, Any]


def migrate(content: Content) -> Content:
    """Brings the JSON of a report to `SCHEMA_VERSION`; fields that an older version did not have are null or empty."""
    for version in range(content["schema_version"], SCHEMA_VERSION):
        content = _STEPS[version](content)
    return content


def _from_1(content: Content) -> Content:
    def finding(text: str) -> Content:
        return {"kind": "note", "message": text}

    def latency(old: Content | None) -> Content | None:
        if old is None:
            return None
        new = {name: value for name, value in old.items() if name != "samples_us"}
        return new | {"samples": Samples.of([old.get("samples_us", ())]).model_dump(mode="json")}

    def variant(old: Content) -> Content:
        changed = {"warnings": [finding(text) for text in old["warnings"]], "latency": latency(old["latency"])}
        return old | changed

    return content | {
        "schema_version": 2,
        "warnings": [finding(text) for text in content["warnings"]],
        "variants": [variant(old) for old in content["variants"]],
    }


_STEPS: dict[int, Callable[[Content], Content]] = {1: _from_1}
