"""The kit's bundles in an APK: are their files there, and are they those that the bundle was made with?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from tflitekit.apk.archive import Archive, Entry
from tflitekit.apk.report import PackedBundle
from tflitekit.core.errors import UnreadableError
from tflitekit.core.structured import parse_json

__all__ = ["read_bundles"]

_NAME = "bundle.json"
_LIMIT_BYTES = 64 * 2**20


def read_bundles(archive: Archive) -> tuple[PackedBundle, ...]:
    """Compares the hash of every file that a ``bundle.json`` in the assets names.

    Raises:
        ApkError: One of the files is damaged in the archive.
    """
    return tuple(
        _bundle(archive, entry)
        for entry in archive.entries.values()
        if entry.name.startswith("assets/") and entry.name.rpartition("/")[2] == _NAME
    )


def _bundle(archive: Archive, entry: Entry) -> PackedBundle:
    try:
        named = dict(_named(parse_json(archive.read(entry, _LIMIT_BYTES), entry.name)))
    except UnreadableError as error:
        return PackedBundle(path=entry.name, files=0, problem=error.reason)
    if not named:
        return PackedBundle(path=entry.name, files=0, problem="it names no file with a SHA-256")
    folder = entry.name.removesuffix(_NAME)
    there = {name: found for name in named if (found := archive.entries.get(folder + name))}
    return PackedBundle(
        path=entry.name,
        files=len(named),
        missing=tuple(name for name in named if name not in there),
        changed=tuple(name for name, found in there.items() if _hash(archive, found) != named[name].lower()),
    )


def _named(value: Any) -> Iterator[tuple[str, str]]:
    """Yields each file with its hash, wherever in the description it stands: so in every version of the format."""
    if isinstance(value, dict):
        name, digest = value.get("file"), value.get("sha256")
        if isinstance(name, str) and isinstance(digest, str):
            yield name, digest
        for inner in value.values():
            yield from _named(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _named(inner)


def _hash(archive: Archive, entry: Entry) -> str:
    digest = hashlib.sha256()
    for chunk in archive.chunks(entry):
        digest.update(chunk)
    return digest.hexdigest()
