"""Do the native libraries load, on every device that the app is for?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from tflitekit.apk import play
from tflitekit.apk.report import ABIS, ApkFinding, ApkReport, Library
from tflitekit.apk.words import by_library, day, listed

__all__ = ["abi_sets", "abis", "machines", "packing", "page_size"]

_64_BIT_OF = {"armeabi-v7a": "arm64-v8a", "x86": "x86_64"}
_ABI_PAGE = "https://developer.android.com/ndk/guides/abis"
_EXTRACT_PAGE = "https://developer.android.com/guide/topics/manifest/application-element#extractNativeLibs"
_4_KB = 4_096
_LITERT = "The last org.tensorflow:tensorflow-lite, 2.16.1, is for 4 KB; com.google.ai.edge.litert:litert is for 16 KB from 1.4.0 on. "
"""Measured on the AAR of 2.16.1; for LiteRT see https://github.com/google-ai-edge/LiteRT/issues/4286."""


def abis(report: ApkReport) -> Iterator[ApkFinding]:
    """Is there native code for the processors of today's phones?"""
    here = report.abis
    unknown = tuple(library.path for library in report.libraries if library.abi not in ABIS)
    if unknown:
        yield ApkFinding(
            kind="abi-unknown",
            severity="warning",
            stage="run",
            message=f"Devices no longer look for libraries there: {listed(unknown)}.",
            advice=f"Libraries belong in lib/ABI, where ABI is one of {', '.join(ABIS[:-1])}.",
            subjects=unknown,
            source=_ABI_PAGE,
        )
    if not here or report.manifest.split or report.manifest.needs_splits:
        return
    exempt = play.form_factor(report.manifest.features) in ("watch", "television")
    for narrow, wide in _64_BIT_OF.items():
        if narrow in here and wide not in here:
            yield ApkFinding(
                kind="abi-64-bit-missing",
                severity="warning" if exempt else "error",
                stage="Play",
                message=f"There are libraries for {narrow}, but none for {wide}. "
                "Play requires a 64-bit version of all native code; phones that run only 64-bit apps cannot install it.",
                advice=f"Add {wide} to abiFilters, and a version of every library for it.",
                source=play.SOURCE_64_BIT,
            )
    if not {"arm64-v8a", "armeabi-v7a"} & set(here):
        yield ApkFinding(
            kind="abi-arm-missing",
            severity="error",
            stage="install",
            message=f"There are libraries for {', '.join(here)} only. Nearly all phones have ARM processors; they refuse to install it.",
            advice="Add arm64-v8a to abiFilters. An APK for the emulator only does not need it.",
            source=_ABI_PAGE,
        )


def abi_sets(report: ApkReport) -> Iterator[ApkFinding]:
    """Has every ABI the same libraries?"""
    here = [abi for abi in report.abis if abi in ABIS]
    roles = {library.name: library.role for library in report.libraries if library.abi in ABIS}
    has = {(library.name, library.abi) for library in report.libraries}
    missing = {name: [abi for abi in here if (name, abi) not in has] for name in roles}
    for severe in (True, False):
        lacking = {
            name: gaps for name, gaps in missing.items() if gaps and (roles[name] not in (None, "delegate")) is severe
        }
        if lacking:
            yield ApkFinding(
                kind="abi-sets-differ",
                severity="error" if severe else "warning",
                stage="run",
                message="Missing for some of the app's ABIs: "
                + listed([f"{name} (for {', '.join(gaps)})" for name, gaps in lacking.items()])
                + ". Such a device uses only that ABI's folder, so loading the library fails there.",
                advice="Add the missing ones, or take these ABIs out with abiFilters.",
                subjects=tuple(lacking),
                source=_ABI_PAGE,
            )


def machines(report: ApkReport) -> Iterator[ApkFinding]:
    """Is each library one for the processor of its folder?"""
    damaged = [library for library in report.libraries if not library.is_elf and library.abi in ABIS]
    for severe in (True, False):
        found = [library for library in damaged if (library.role is not None) is severe]
        if found:
            yield ApkFinding(
                kind="library-not-elf",
                severity="error" if severe else "warning",
                stage="run",
                message=f"Not a readable library: {by_library(found)}.",
                advice="If the app loads it with System.loadLibrary, that fails: build or copy it again.",
                subjects=_paths(found),
            )
    wrong = [library for library in report.libraries if library.is_elf and not _fits(library)]
    if wrong:
        yield ApkFinding(
            kind="library-wrong-machine",
            severity="error",
            stage="run",
            message="Built for a different processor than their folder says: "
            + listed([f"{library.path} ({library.machine or 'not an Android ABI'})" for library in wrong])
            + ". Loading them fails.",
            advice="Put each library into the folder of its ABI.",
            subjects=_paths(wrong),
            source=_ABI_PAGE,
        )


def page_size(report: ApkReport) -> Iterator[ApkFinding]:
    """Can the libraries be loaded on devices with memory pages of 16 KB? Those are 64-bit devices."""
    target = report.manifest.target_sdk
    wanted = (target is None or target >= play.PAGE_TARGET_SDK) and date.fromisoformat(
        report.play_rules_of
    ) >= play.PAGES_SINCE
    when = (
        f"Play requires support for such devices from apps that target API {play.PAGE_TARGET_SDK} or newer since {day(play.PAGES_SINCE)} "
        f"(of updates by {day(play.PAGES_UPDATES)})."
        if wanted
        else f"Play requires support for them once the app targets API {play.PAGE_TARGET_SDK}."
    )
    wide = [library for library in report.libraries if library.is_64_bit]
    built = [library for library in wide if (library.segment_alignment or play.PAGE_BYTES) < play.PAGE_BYTES]
    if built:
        alignments = sorted({library.segment_alignment or 0 for library in built})
        yield ApkFinding(
            kind="library-not-16kb",
            severity="error" if wanted else "warning",
            stage="Play",
            message=f"Not built for memory pages of 16 KB: {by_library(built)}. Their segments are aligned to "
            f"{', '.join(f'{value:#x}' for value in alignments)} instead of 0x4000; devices with such pages cannot load "
            f"them. {when}",
            advice=(_LITERT if any(library.role == "runtime" for library in built) else "")
            + "Update the dependency that brings the library; build your own with NDK r28 or newer, "
            "or link with -Wl,-z,max-page-size=16384.",
            subjects=_paths(built),
            source=play.SOURCE_PAGES,
        )
    placed = [library for library in wide if library.stored and library.offset % play.PAGE_BYTES]
    if placed:
        extracted = report.manifest.extract_native_libs
        yield ApkFinding(
            kind="library-zip-not-16kb",
            severity="warning" if extracted or not wanted else "error",
            stage="Play",
            message=f"Stored in the APK at offsets that are not multiples of 16,384: {by_library(placed)}. "
            + (
                "They still load, because they are extracted on installation."
                if extracted
                else f"Devices with pages of 16 KB cannot load them from there. {when}"
            ),
            advice="Run 'zipalign -P 16 4 in.apk out.apk' (build-tools 35) before signing; AGP 8.5.1 or newer does it.",
            subjects=_paths(placed),
            source=play.SOURCE_PAGES,
        )


def packing(report: ApkReport) -> Iterator[ApkFinding]:
    """With extractNativeLibs="false", can the libraries be loaded from within the APK?"""
    if report.manifest.extract_native_libs:
        return
    for kind, found, how, advice in (
        (
            "library-compressed",
            [library for library in report.libraries if not library.stored],
            "compressed",
            'Store them uncompressed, or set extractNativeLibs="true" (Gradle: jniLibs.useLegacyPackaging = true).',
        ),
        (
            "library-not-page-aligned",
            [library for library in report.libraries if library.stored and library.offset % _4_KB],
            "not aligned to a page of 4 KB",
            "Run 'zipalign -P 16 4 in.apk out.apk' before signing.",
        ),
    ):
        if found:
            yield ApkFinding(
                kind=kind,
                severity="error",
                stage="install",
                message=f'The manifest says extractNativeLibs="false", but these are {how}: {by_library(found)}. '
                "Devices refuse to install the app (INSTALL_FAILED_INVALID_APK).",
                advice=advice,
                subjects=_paths(found),
                source=_EXTRACT_PAGE,
            )


def _fits(library: Library) -> bool:
    return library.abi not in ABIS or library.machine == library.abi


def _paths(libraries: list[Library]) -> tuple[str, ...]:
    return tuple(library.path for library in libraries)
