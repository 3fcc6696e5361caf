"""The native libraries in an APK, and what runs models among them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from packaging.version import InvalidVersion, Version

from tflitekit.apk.archive import MODEL_LIMIT_BYTES, Archive, Entry
from tflitekit.apk.elf import Elf, read_elf
from tflitekit.apk.report import Library, Runtime

__all__ = ["find_runtimes", "read_libraries"]

_PLACE = re.compile(r"lib/([^/]+)/([^/]+\.so)")
_RUNTIMES = {
    "libtensorflowlite_jni.so": "TensorFlow Lite, Java interface",
    "libtensorflowlite_jni_stable.so": "TensorFlow Lite, Java interface (stable part)",
    "libtensorflowlite_c.so": "TensorFlow Lite, C interface",
    "libtensorflowlite.so": "TensorFlow Lite, C++ interface",
    "libLiteRt.so": "LiteRT 2",
}
_CLIENTS = {"libtensorflowlite_jni_gms_client.so": "client of the runtime in Google Play services"}
_DELEGATES = {
    "libtensorflowlite_gpu_jni.so": "GPU delegate, Java interface",
    "libtensorflowlite_gpu_delegate.so": "GPU delegate, C interface",
    "libtensorflowlite_flex_jni.so": "TensorFlow ops (Flex delegate)",
    "libtensorflowlite_hexagon_jni.so": "Hexagon delegate",
    "libQnnTFLiteDelegate.so": "Qualcomm delegate",
}
_LITERT_PARTS = (
    (re.compile(r"libLiteRt.*Accelerator\.so"), "LiteRT 2 accelerator"),
    (re.compile(r"libLiteRtDispatch_.*\.so"), "LiteRT 2 NPU dispatch"),
)
_BUILT_IN = b"Didn't find op for builtin opcode"
"""A message of TensorFlow Lite's operator resolver, in every runtime from 2.3 to LiteRT 2."""
_VERSION_FUNCTION = "TfLiteVersion"
_VERSION_TEXT = re.compile(rb"(?<=\0)\d{1,2}\.\d{1,3}\.\d{1,3}(?:-[0-9A-Za-z.+]{1,32})?(?=\0)")
_LITERT_FUNCTION = b"LiteRtCreateEnvironment"
_FIRST_OF_LITERT = Version("2.17")
"""LiteRT numbers its releases from 1.0 (2024, after TensorFlow 2.17); what is lower in a LiteRT library is such a number."""
_PLAY_SERVICES = "Google Play services"
_PLAY_FILES = ("play-services-tflite-java.properties", "play-services-tflite-impl.properties")
_PLAY_CLASSES = b"Lcom/google/android/gms/tflite/"
_LARGEST_DEX_BYTES = 128 * 2**20

Role = Literal["runtime", "embedded runtime", "Play services client", "delegate"]


def read_libraries(archive: Archive) -> tuple[Library, ...]:
    """Reads every library in ``lib/ABI/``, one at a time.

    Raises:
        ApkError: One of them is damaged in the archive.
    """
    return tuple(
        _library(archive, entry, *place.groups())
        for entry in archive.entries.values()
        if (place := _PLACE.fullmatch(entry.name))
    )


def _library(archive: Archive, entry: Entry, abi: str, name: str) -> Library:
    role, about = _known(name)
    elf, version, litert = None, None, False
    if entry.size_bytes <= MODEL_LIMIT_BYTES:
        content = archive.read(entry)
        litert = _LITERT_FUNCTION in content
        if role is None and _BUILT_IN in content:
            role, about = "embedded runtime", "has a TensorFlow Lite built in"
        try:
            elf = read_elf(content)
            version = _version(elf) if role in ("runtime", "embedded runtime") else None
        except ValueError:
            pass
    return Library(
        name=name,
        abi=abi,
        path=entry.name,
        size_bytes=entry.size_bytes,
        packed_bytes=entry.packed_bytes,
        stored=entry.stored,
        offset=entry.offset,
        is_elf=elf is not None,
        machine=elf.abi if elf else None,
        segment_alignment=elf.segment_alignment if elf else None,
        role=role,
        about=about,
        runtime_version=version,
        has_litert_interface=litert,
    )


def _known(name: str) -> tuple[Role | None, str | None]:
    tables: tuple[tuple[Role, dict[str, str]], ...] = (
        ("runtime", _RUNTIMES),
        ("Play services client", _CLIENTS),
        ("delegate", _DELEGATES),
    )
    for role, table in tables:
        if name in table:
            return role, table[name]
    return next((("delegate", about) for pattern, about in _LITERT_PARTS if pattern.fullmatch(name)), (None, None))


def _version(elf: Elf) -> str | None:
    """Returns the text of ``TfLiteVersion()``; by its code, else the only text in the library that looks like a version."""
    if not elf.exports(_VERSION_FUNCTION):
        return None
    text = elf.returned_text(_VERSION_FUNCTION)
    if text is None:
        texts = {found.decode() for found in _VERSION_TEXT.findall(elf.content)}
        text = texts.pop() if len(texts) == 1 else None
    try:
        return str(Version(text)) if text else None
    except InvalidVersion:
        return None


def find_runtimes(archive: Archive, libraries: tuple[Library, ...]) -> tuple[Runtime, ...]:
    """Lists what can run models: libraries that are runtimes, and the one in Google Play services where the app uses it."""
    found = []
    for role in ("runtime", "embedded runtime"):
        for name in dict.fromkeys(library.name for library in libraries if library.role == role):
            found.append(_runtime([library for library in libraries if library.name == name]))
    if _uses_play_services(archive, libraries):
        found.append(
            Runtime(
                name=_PLAY_SERVICES,
                about="the runtime in the device's Play services",
                abis=(),
                version=None,
                version_note="it varies with the device, and is missing without Play services",
            )
        )
    return tuple(found)


def _runtime(files: list[Library]) -> Runtime:
    first = files[0]
    versions = {file.runtime_version for file in files if file.runtime_version}
    version, note = None, "the library does not say"
    if len(versions) > 1:
        note = f"it differs between ABIs: {', '.join(sorted(versions))}"
    elif versions:
        (version,), note = versions, ""
        if any(file.has_litert_interface for file in files) and Version(version) < _FIRST_OF_LITERT:
            version, note = None, f"it says {version}, which is LiteRT's own number"
    return Runtime(
        name=first.name,
        about=first.about or "",
        embedded=first.role == "embedded runtime",
        abis=tuple(file.abi for file in files),
        version=version,
        version_note=note or None,
    )


def _uses_play_services(archive: Archive, libraries: tuple[Library, ...]) -> bool:
    return (
        any(library.role == "Play services client" for library in libraries)
        or any(name in archive.entries for name in _PLAY_FILES)
        or any(_PLAY_CLASSES in code for code in _code(archive))
    )


def _code(archive: Archive) -> Iterator[bytes]:
    for entry in archive.entries.values():
        if re.fullmatch(r"classes\d*\.dex", entry.name) and entry.size_bytes <= _LARGEST_DEX_BYTES:
            yield archive.read(entry)
