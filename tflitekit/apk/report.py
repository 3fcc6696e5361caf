"""What is found out about an APK."""

from __future__ import annotations

from typing import Literal

from tflitekit.core.parts import Finding, Part

__all__ = [
    "ABIS",
    "ApkFinding",
    "ApkReport",
    "Library",
    "Manifest",
    "Model",
    "PackedBundle",
    "Runtime",
    "Severity",
    "Signing",
    "SizePart",
    "Stage",
]

ABIS = ("arm64-v8a", "armeabi-v7a", "x86_64", "x86", "riscv64")
"""The ABIs that Android supports today."""

Severity = Literal["error", "warning", "note"]
Stage = Literal["Play", "install", "run"]


class ApkFinding(Finding):
    """Something that a developer should know about an APK.

    Attributes:
        severity: 'error' where something fails, 'warning' where it may, 'note' for what is good to know.
        stage: Where it fails: on upload to Play, when a device installs it, when the app runs.
        subjects: The files in the APK that it is about.
        source: Address of the rule.
    """

    severity: Severity
    stage: Stage
    subjects: tuple[str, ...] = ()
    source: str | None = None


class Manifest(Part):
    """What the manifest says; null where it says nothing, or something that only the resources know.

    Attributes:
        min_sdk: 1 where it says nothing, as the platform has it; null for the code name of a preview.
        target_sdk: As ``min_sdk`` where it says nothing.
        extract_native_libs: Whether libraries are copied out of the APK on installation; the platform's default is True.
        features: Features of the device that the app needs.
        native_libraries: Libraries of the device that it asks for with ``uses-native-library``.
        split: Name of the split that this APK is; null for a whole app or a base.
        needs_splits: Whether it is installed together with splits only.
    """

    package: str | None
    version_name: str | None
    version_code: int | None
    min_sdk: int | None
    target_sdk: int | None
    debuggable: bool
    test_only: bool
    extract_native_libs: bool
    permissions: tuple[str, ...]
    features: tuple[str, ...]
    native_libraries: tuple[str, ...]
    split: str | None
    needs_splits: bool


class Signing(Part):
    """Which signatures are there. They are not verified: apksigner does that.

    Attributes:
        schemes: Of v1, v2, v3 and v3.1, those that are present.
        debug_certificate: Whether the certificate is one that Android's tools make for debugging.
    """

    schemes: tuple[str, ...]
    debug_certificate: bool


class Library(Part):
    """One native library for one ABI.

    Attributes:
        machine: What the ELF header says, as an ABI; null where it is no ELF file or for another machine.
        is_elf: Whether it could be read as one.
        segment_alignment: The least alignment of a loadable segment in bytes; null where there is none.
        offset: Where its data begin in the APK.
        role: 'runtime', 'embedded runtime', 'Play services client', 'delegate', or null for others.
        about: What the library is, where that is known.
        runtime_version: What TfLiteVersion() of it would return; null where that cannot be read.
        has_litert_interface: Whether it exports functions of LiteRT 2's interface.
    """

    name: str
    abi: str
    path: str
    size_bytes: int
    packed_bytes: int
    stored: bool
    offset: int
    is_elf: bool
    machine: str | None = None
    segment_alignment: int | None = None
    role: Literal["runtime", "embedded runtime", "Play services client", "delegate"] | None = None
    about: str | None = None
    runtime_version: str | None = None
    has_litert_interface: bool = False

    @property
    def is_64_bit(self) -> bool:
        return self.abi in ("arm64-v8a", "x86_64", "riscv64")


class Runtime(Part):
    """Something that can run models.

    Attributes:
        version: In TensorFlow Lite's numbers; null where it is unknown.
        version_note: Why it is unknown.
        embedded: Whether it is a part of another library, which may use it for models of its own only.
    """

    name: str
    about: str
    embedded: bool = False
    abis: tuple[str, ...]
    version: str | None
    version_note: str | None = None


class Model(Part):
    """A ``.tflite`` file in the APK.

    Attributes:
        sha256: Of its content; null where it was too large to be read.
        min_runtime: The first TensorFlow Lite that has all its operators; a lower bound with ``unknown_op_versions``.
        problem: Why it could not be read.
    """

    path: str
    size_bytes: int
    stored: bool
    offset: int
    sha256: str | None = None
    min_runtime: str | None = None
    unknown_op_versions: tuple[str, ...] = ()
    select_tf_ops: tuple[str, ...] = ()
    custom_ops: tuple[str, ...] = ()
    problem: str | None = None


class PackedBundle(Part):
    """A bundle of the kit in the assets.

    Attributes:
        path: Of its ``bundle.json``.
        files: How many it names.
        missing: Those that are not in the APK, named as in the bundle.
        changed: Those whose SHA-256 is another one.
        problem: Why it could not be read.
    """

    path: str
    files: int
    missing: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    problem: str | None = None


class SizePart(Part):
    """What a part of the APK weighs.

    Attributes:
        part: 'code', 'models', 'libraries', 'assets', 'resources', 'signature' or 'other'.
        abi: Of the libraries.
        size_bytes: Unpacked.
        apk_bytes: In the APK, without what the archive itself adds.
        download_bytes: Compressed by DEFLATE, about what a store's download takes.
    """

    part: str
    abi: str | None = None
    files: int
    size_bytes: int
    apk_bytes: int
    download_bytes: int


class ApkReport(Part):
    """Everything that was found out about an APK.

    Attributes:
        play_rules_of: The day whose Play rules were applied, as YYYY-MM-DD.
        findings: Errors first.
    """

    schema_version: int = 1
    file: str
    size_bytes: int
    play_rules_of: str
    manifest: Manifest
    signing: Signing
    libraries: tuple[Library, ...]
    runtimes: tuple[Runtime, ...]
    models: tuple[Model, ...]
    bundles: tuple[PackedBundle, ...]
    sizes: tuple[SizePart, ...]
    misaligned: tuple[str, ...]
    resources_mappable: bool
    findings: tuple[ApkFinding, ...] = ()

    @property
    def abis(self) -> tuple[str, ...]:
        """Returns the ABIs that there are libraries for, those of most phones first."""
        found = {library.abi for library in self.libraries}
        return (*(abi for abi in ABIS if abi in found), *sorted(found.difference(ABIS)))

    @property
    def download_bytes(self) -> int:
        """Returns about what a download of the whole APK takes."""
        return sum(part.download_bytes for part in self.sizes)

    @property
    def has_errors(self) -> bool:
        return any(finding.severity == "error" for finding in self.findings)
