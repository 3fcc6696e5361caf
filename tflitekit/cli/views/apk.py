"""The terminal's view of an APK."""

from __future__ import annotations

from typing import Any

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tflitekit.apk.play import PAGE_BYTES
from tflitekit.apk.report import ApkFinding, ApkReport, Library, Model, PackedBundle, Runtime, Severity, Stage
from tflitekit.cli.console import show_table, stdout
from tflitekit.render import text

__all__ = ["show_apk"]

_STAGES: dict[Stage, str] = {"Play": "Play", "install": "Installation", "run": "Run time"}
_HEADINGS: dict[Severity, tuple[str, str]] = {
    "error": ("What would fail", "red"),
    "warning": ("Warnings", "yellow"),
    "note": ("Good to know", "cyan"),
}
_ROLES = ("runtime", "Play services client", "embedded runtime", "delegate", None)
_ANDROIDS = {
    21: "5.0", 22: "5.1", 23: "6.0", 24: "7.0", 25: "7.1", 26: "8.0", 27: "8.1", 28: "9", 29: "10", 30: "11",
    31: "12", 32: "12L", 33: "13", 34: "14", 35: "15", 36: "16",
}  # fmt: skip


def show_apk(report: ApkReport) -> None:
    """Prints what is in the APK, what would fail, and what to do."""
    report = ApkReport.model_validate(_printable(report.model_dump()))
    manifest = report.manifest
    code = f"({manifest.version_code})" if manifest.version_code is not None else None
    about = " ".join(part for part in (manifest.package, manifest.version_name, code) if part)
    stdout.print(Text.assemble((report.file, "bold"), f"  {about}".rstrip()))
    grid = Table.grid(padding=(0, 2))
    for key, value in _facts(report):
        grid.add_row(Text(key, style="dim"), Text(value))
    stdout.print(Padding(grid, (0, 0, 0, 2)))
    if report.libraries:
        show_table(("Native library", "ABI", "Size", "Pages", "In the APK"), _libraries(report))
    if report.models:
        show_table(("Model", "Size", "In the APK", "Needs"), _models(report))
    show_table(
        ("Part", "Files", "Unpacked", "In the APK", "Download"),
        [
            (
                f"{part.part} {part.abi}" if part.abi else part.part,
                str(part.files),
                *map(text.size, (part.size_bytes, part.apk_bytes, part.download_bytes)),
            )
            for part in report.sizes
        ],
    )
    for severity, (heading, style) in _HEADINGS.items():
        _show(heading, style, [finding for finding in report.findings if finding.severity == severity])
    _verdict(report)


def _libraries(report: ApkReport) -> list[tuple[str, ...]]:
    def place(library: Library) -> tuple[int, str, int]:
        return _ROLES.index(library.role), library.name, report.abis.index(library.abi)

    packed = report.manifest.extract_native_libs
    return [
        (
            library.name,
            library.abi,
            text.size(library.size_bytes),
            _pages(library),
            _placing(library, packed=packed),
        )
        for library in sorted(report.libraries, key=place)
    ]


def _models(report: ApkReport) -> list[tuple[str, ...]]:
    kinds = ("runtime-too-old", "model-unreadable")
    unfit = {path for finding in report.findings if finding.kind in kinds for path in finding.subjects}
    return [
        (
            model.path,
            text.size(model.size_bytes),
            "stored" if model.stored else "compressed ✗",
            _minimum(model) + (" ✗" if model.path in unfit else ""),
        )
        for model in report.models
    ]


def _printable(value: Any) -> Any:
    """Replaces what would control the terminal: names and texts in an APK can be anything."""
    if isinstance(value, str):
        return "".join(letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in value)
    if isinstance(value, dict):
        return {key: _printable(inner) for key, inner in value.items()}
    return [_printable(inner) for inner in value] if isinstance(value, list | tuple) else value


def _facts(report: ApkReport) -> list[tuple[str, str]]:
    manifest = report.manifest
    signed = ", ".join(report.signing.schemes) or "no"
    facts = [
        ("Size", f"{text.size(report.size_bytes)}, about {text.size(report.download_bytes)} to download"),
        ("Android", f"minSdk {_android(manifest.min_sdk)}, targetSdk {_android(manifest.target_sdk)}"),
        ("Signed", signed + (" (debug key)" if report.signing.debug_certificate else "")),
        ("ABIs", ", ".join(report.abis) or "none: no native code"),
        *(("Runtime", _runtime(runtime)) for runtime in report.runtimes),
        *(("Bundle", _bundle(bundle)) for bundle in report.bundles),
        ("Permissions", ", ".join(name.removeprefix("android.permission.") for name in manifest.permissions) or "none"),
    ]
    arm = [part.download_bytes for part in report.sizes if part.abi not in (None, "arm64-v8a")]
    if arm and "arm64-v8a" in report.abis:
        facts[0] = ("Size", f"{facts[0][1]} ({text.size(report.download_bytes - sum(arm))} for arm64-v8a alone)")
    return facts


def _android(level: int | None) -> str:
    if level is None:
        return "unknown"
    return f"{level} (Android {_ANDROIDS[level]})" if level in _ANDROIDS else str(level)


def _runtime(runtime: Runtime) -> str:
    version = f" {runtime.version}" if runtime.version else f", version unknown: {runtime.version_note}"
    return f"{runtime.name}{version} ({runtime.about})"


def _bundle(bundle: PackedBundle) -> str:
    if bundle.problem:
        return f"{bundle.path}, not readable"
    bad = len(bundle.missing) + len(bundle.changed)
    return f"{bundle.path}, {bundle.files} {'file' if bundle.files == 1 else 'files'}" + (
        f", {bad} of them missing or changed" if bad else ", all as made"
    )


def _pages(library: Library) -> str:
    if not library.is_elf:
        return "no ELF file"
    if library.segment_alignment is None:
        return "–"
    size = f"{library.segment_alignment // 1024} KB"
    return size if not library.is_64_bit or library.segment_alignment >= PAGE_BYTES else f"{size} ✗"


def _placing(library: Library, *, packed: bool) -> str:
    if not library.stored:
        return "compressed" if packed else "compressed ✗"
    alignment = min(library.offset & -library.offset, PAGE_BYTES) if library.offset else PAGE_BYTES
    shown = f"{alignment // 1024} KB" if alignment >= 1024 else f"{alignment} bytes"
    bad = library.is_64_bit and alignment < PAGE_BYTES
    return f"stored, aligned to {shown}{' ✗' if bad else ''}"


def _minimum(model: Model) -> str:
    if model.problem or model.min_runtime is None:
        return "unknown"
    return f"TensorFlow Lite {model.min_runtime}" + (" (at least)" if model.unknown_op_versions else "")


def _show(heading: str, style: str, findings: list[ApkFinding]) -> None:
    if not findings:
        return
    stdout.print(Text(f"\n{heading}" if style != "red" else heading, style=f"bold {style}"))
    grid = Table.grid(padding=(0, 1))
    for finding in findings:
        stage = Text(_STAGES[finding.stage], style=style + (f" link {finding.source}" if finding.source else ""))
        lines = Text.assemble(stage, ": ", finding.message)
        if finding.advice:
            lines.append(f"\n{finding.advice}", style="dim")
        grid.add_row("•", lines)
    stdout.print(Padding(grid, (0, 0, 0, 2)))


def _verdict(report: ApkReport) -> None:
    errors = [finding for finding in report.findings if finding.severity == "error"]
    if not errors:
        stdout.print("\nNothing was found that would fail in Play, on installation or at run time.", style="bold green")
        return
    stages = [
        f"{count} {words}"
        for stage, words in (("Play", "in Play"), ("install", "on installation"), ("run", "at run time"))
        if (count := sum(finding.stage == stage for finding in errors))
    ]
    stdout.print(Text(f"\nWould fail: {', '.join(stages)}.", style="bold red"))
