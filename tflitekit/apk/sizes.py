"""What each part of an APK weighs."""

from __future__ import annotations

import re

from tflitekit.apk.archive import Archive, Entry
from tflitekit.apk.report import Library, Model, SizePart

__all__ = ["measure_parts"]

_ORDER = ("models", "libraries", "code", "assets", "resources", "signature", "other")


def measure_parts(archive: Archive, libraries: tuple[Library, ...], models: tuple[Model, ...]) -> tuple[SizePart, ...]:
    """Sums up the files of each part; reads those that are stored once, to see how they compress.

    Raises:
        ApkError: One of them is damaged in the archive.
    """
    abis = {library.path: library.abi for library in libraries}
    paths = {model.path for model in models}
    groups: dict[tuple[str, str | None], list[Entry]] = {}
    for entry in archive.entries.values():
        part = "models" if entry.name in paths else "libraries" if entry.name in abis else _part(entry.name)
        groups.setdefault((part, abis.get(entry.name)), []).append(entry)
    found = [
        SizePart(
            part=part,
            abi=abi,
            files=len(entries),
            size_bytes=sum(entry.size_bytes for entry in entries),
            apk_bytes=sum(entry.packed_bytes for entry in entries),
            download_bytes=sum(archive.deflated_bytes(entry) for entry in entries),
        )
        for (part, abi), entries in groups.items()
    ]
    return tuple(sorted(found, key=lambda part: (_ORDER.index(part.part), part.abi or "")))


def _part(name: str) -> str:
    if re.fullmatch(r"[^/]+\.dex", name):
        return "code"
    if name.startswith("META-INF/"):
        signs = re.fullmatch(r"META-INF/([^/]+\.(RSA|DSA|EC|SF)|MANIFEST\.MF)", name, re.IGNORECASE)
        return "signature" if signs else "other"
    if name.startswith("assets/"):
        return "assets"
    if name.startswith("res/") or name in ("resources.arsc", "AndroidManifest.xml"):
        return "resources"
    return "other"
