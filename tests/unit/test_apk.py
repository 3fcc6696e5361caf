"""`tflitekit doctor apk`: every finding where it belongs and nowhere else, on packages with real libraries and models."""

import contextlib
import hashlib
import json
import os
import platform
import re
import shutil
import struct
import subprocess
import sys
import zipfile
from datetime import date
from pathlib import Path

import pytest
from conftest import run_json
from hypothesis import given, settings
from hypothesis import strategies as st
from make_apk import ATTRIBUTES, File, Tag, aapt2, axml, has_aapt2, library, manifest, package, tflite

from tflitekit.apk import inspect_apk
from tflitekit.apk.axml import Element, Reference, parse
from tflitekit.apk.elf import read_elf
from tflitekit.core.errors import ApkError, TflitekitError
from tflitekit.tflite.graph import parse_graph

DAY = date(2026, 11, 25)
AARS = sorted(Path.home().glob(".m2/repository/org/tensorflow/tensorflow-lite/*/*.aar"))
RESOURCES = b"\2\0\x0c\0\x0c\0\0\0\0\0\0\0"
AARCH64, ARM = 183, 40

needs_gcc = pytest.mark.skipif(
    shutil.which("gcc") is None or platform.machine() != "x86_64", reason="gcc for x86-64 is not here"
)
needs_aapt2 = pytest.mark.skipif(not has_aapt2(), reason="Debian's aapt and android-framework-res are not here")

VERSION_SOURCE = """
const char* TfLiteVersion(void) {{ return "{version}"; }}
const char* reason(void) {{ return "Didn't find op for builtin opcode"; }}
const char* zlib(void) {{ return "{other}"; }}
"""
ARM64_SOURCE = """
__asm__(".text\\n.balign 4096\\n.globl TfLiteVersion\\n.type TfLiteVersion,@function\\n"
        "TfLiteVersion: {code}\\n.size TfLiteVersion,.-TfLiteVersion\\n.balign 64\\n.asciz \\"2.16.1\\"\\n");
const char* zlib(void) {{ return "1.2.11"; }}
const char* jpeg(void) {{ return "9.8.7"; }}
"""


@pytest.fixture(scope="session")
def libraries(tmp_path_factory):
    """Returns a function that makes real libraries, each once."""
    folder, made = tmp_path_factory.mktemp("libraries"), {}

    def make(**options):
        key = json.dumps(options, sort_keys=True)
        if key not in made:
            made[key] = library(folder, **options)
        return made[key]

    return make


def runtime(libraries, version="2.17.0", other="none", **options):
    return libraries(source=VERSION_SOURCE.format(version=version, other=other), **options)


def healthy(libraries, **changed):
    """Returns the files of an app that passes, changed by name; None takes a file out."""
    files = {
        "AndroidManifest.xml": File(manifest(), stored=False),
        "resources.arsc": RESOURCES,
        "classes.dex": File(b"dex\n035\0" + b"\0" * 200, stored=False),
        "assets/model.tflite": tflite(("ADD", 1)),
        "lib/arm64-v8a/libtensorflowlite_jni.so": File(runtime(libraries, machine=AARCH64), align=16384),
        "lib/x86_64/libtensorflowlite_jni.so": File(runtime(libraries), align=16384),
    }
    return {name: file for name, file in (files | changed).items() if file is not None}


def kinds(report, severity=None):
    return {finding.kind for finding in report.findings if severity in (None, finding.severity)}


@pytest.fixture
def examine(tmp_path, libraries):
    """Returns a function that builds the healthy app with changes and looks into it."""

    def run(changed=None, *, on=DAY, signatures=("v2", "v3"), certificate=b"CN=Example", **manifest_options):
        files = {"AndroidManifest.xml": File(manifest(**manifest_options), stored=False)} | (changed or {})
        path = package(
            tmp_path / "app.apk", healthy(libraries, **files), signatures=signatures, certificate=certificate
        )
        return inspect_apk(path, on=on)

    return run


@needs_gcc
def test_a_healthy_app_has_no_findings(examine):
    report = examine(
        tags=[Tag("uses-permission", {"name": "android.permission.CAMERA"})], application={"extractNativeLibs": False}
    )
    assert report.findings == ()
    assert report.manifest.package == "org.example.app"
    assert (report.manifest.version_name, report.manifest.version_code) == ("1.2", 7)
    assert (report.manifest.min_sdk, report.manifest.target_sdk) == (24, 36)
    assert report.manifest.permissions == ("android.permission.CAMERA",)
    assert report.manifest.extract_native_libs is False
    assert report.signing.schemes == ("v2", "v3")
    assert report.abis == ("arm64-v8a", "x86_64")
    assert [(r.name, r.version, r.abis) for r in report.runtimes] == [
        ("libtensorflowlite_jni.so", "2.17.0", ("arm64-v8a", "x86_64"))
    ]
    assert {one.segment_alignment for one in report.libraries} == {16384}
    (model,) = report.models
    assert (model.min_runtime, model.stored, model.offset % 4) == ("1.5.0", True, 0)
    sizes = {(part.part, part.abi): part for part in report.sizes}
    assert set(sizes) == {
        ("models", None),
        ("libraries", "arm64-v8a"),
        ("libraries", "x86_64"),
        ("code", None),
        ("resources", None),
    }
    assert sizes["models", None].size_bytes == model.size_bytes
    one = sizes["libraries", "arm64-v8a"]
    assert one.download_bytes < one.apk_bytes == one.size_bytes  # stored, so that it can be loaded from the APK


@needs_gcc
@pytest.mark.parametrize(
    ("on", "target", "features", "found"),
    [
        (date(2026, 11, 25), 35, (), True),
        (date(2026, 11, 25), 36, (), False),
        (date(2026, 8, 30), 35, (), False),
        (date(2026, 8, 30), 34, (), True),
        (date(2025, 8, 30), 33, (), False),
        (date(2026, 11, 25), 35, ("android.hardware.type.watch",), False),
        (date(2026, 11, 25), 34, ("android.hardware.type.watch",), True),
        (date(2026, 11, 25), 34, ("android.software.xr.api.spatial",), False),
    ],
)
def test_target_sdk(examine, on, target, features, found):
    report = examine(on=on, target=target, tags=[Tag("uses-feature", {"name": name}) for name in features])
    assert ("target-sdk-too-low" in kinds(report, "error")) is found


@needs_gcc
def test_rules_that_are_older_than_the_day(examine):
    assert kinds(examine(on=date(2027, 8, 30))) == set()
    assert kinds(examine(on=date(2027, 8, 31)), "note") == {"play-rules-old"}


@needs_gcc
def test_a_feature_that_is_not_required_does_not_make_a_watch(examine):
    watch = Tag("uses-feature", {"name": "android.hardware.type.watch", "required": False})
    assert "target-sdk-too-low" in kinds(examine(target=35, tags=[watch]))


@needs_gcc
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("debuggable", {"application": {"debuggable": True}}),
        ("test-only", {"application": {"testOnly": True}}),
        ("debug-certificate", {"certificate": b"C=US, O=Android, CN=Android Debug"}),
        ("unsigned", {"signatures": ()}),
        ("unsigned", {"signatures": ("padding",)}),
        ("no-v1-signature", {"minimum": 21}),
        ("no-v2-signature", {"signatures": ("v3",)}),
        ("not-the-whole-app", {"root": {"_split": "config.arm64_v8a"}}),
        ("not-the-whole-app", {"root": {"isSplitRequired": True}}),
    ],
)
def test_manifest_and_signature(examine, kind, options):
    assert kinds(examine(**options)) == {kind}


@needs_gcc
def test_v1_signatures(examine):
    v1 = {"META-INF/CERT.SF": File(b"x", stored=False), "META-INF/CERT.RSA": File(b"CN=Me", stored=False)}
    old = examine(v1, signatures=())
    assert old.signing.schemes == ("v1",)
    assert kinds(old) == {"only-v1-signature"}
    assert kinds(examine(v1, minimum=21)) == set()
    assert kinds(examine(v1, signatures=(), target=29, on=date(2025, 1, 1))) == set()
    debug = examine(v1 | {"META-INF/CERT.RSA": File(b"CN=Android Debug", stored=False)})
    assert kinds(debug) == {"debug-certificate"}
    assert examine({"META-INF/CERT.RSA": File(b"x", stored=False)}, signatures=()).signing.schemes == ()


@needs_gcc
def test_alignment_of_what_is_stored(examine):
    report = examine({"assets/labels.txt": File(b"one\ntwo", shift=1)})
    assert kinds(report) == {"not-zip-aligned"}
    assert report.findings[0].subjects == ("assets/labels.txt",)
    assert kinds(examine({"assets/labels.txt": File(b"one\ntwo" * 9, stored=False)})) == set()


@needs_gcc
@pytest.mark.parametrize("arsc", [File(RESOURCES, stored=False), File(RESOURCES, shift=2)])
def test_resources_have_to_be_mapped(examine, arsc):
    assert "resources-not-mappable" in kinds(examine({"resources.arsc": arsc}), "error")
    assert "resources-not-mappable" not in kinds(examine({"resources.arsc": arsc}, target=29))


@needs_gcc
def test_libraries_for_pages_of_4_kb(examine, libraries):
    jni = {
        "lib/arm64-v8a/libtensorflowlite_jni.so": File(runtime(libraries, machine=AARCH64, page=0x1000), align=16384)
    }
    report = examine(jni)
    assert kinds(report, "error") == {"library-not-16kb"} == kinds(report)
    (finding,) = report.findings
    assert finding.subjects == ("lib/arm64-v8a/libtensorflowlite_jni.so",)
    assert "0x1000" in finding.message
    assert "litert" in finding.advice
    assert kinds(examine(jni, target=34, on=date(2025, 1, 1)), "warning") == {"library-not-16kb"}
    assert kinds(examine(jni, on=date(2025, 10, 1)), "warning") == {"library-not-16kb"}


@needs_gcc
def test_pages_do_not_matter_to_32_bit(examine, libraries):
    small = File(runtime(libraries, bits=32, machine=ARM, page=0x1000), align=4096, shift=0)
    report = examine({"lib/armeabi-v7a/libtensorflowlite_jni.so": small})
    assert report.findings == ()
    assert next(one for one in report.libraries if one.abi == "armeabi-v7a").segment_alignment == 0x1000


@needs_gcc
def test_a_patched_header_does_not_make_pages_larger(examine, libraries):
    """Whoever only writes 0x4000 into the headers of a library for 4 KB has not moved its segments."""
    content = bytearray(runtime(libraries, machine=AARCH64, page=0x1000))
    headers, count = struct.unpack_from("<Q", content, 32)[0], struct.unpack_from("<H", content, 56)[0]
    for index in range(count):
        if struct.unpack_from("<I", content, headers + 56 * index)[0] == 1:
            struct.pack_into("<Q", content, headers + 56 * index + 48, 0x4000)
    assert read_elf(bytes(content)).segment_alignment < 0x4000


@needs_gcc
def test_libraries_in_the_archive(examine, libraries):
    name = "lib/arm64-v8a/libtensorflowlite_jni.so"
    content = runtime(libraries, machine=AARCH64)
    inside = {"application": {"extractNativeLibs": False}}
    at_4_kb = examine({name: File(content, align=16384, shift=4096)}, **inside)
    assert kinds(at_4_kb, "error") == {"library-zip-not-16kb"} == kinds(at_4_kb)
    anywhere = examine({name: File(content, align=4)}, **inside)
    assert kinds(anywhere, "error") == {"library-zip-not-16kb", "library-not-page-aligned"}
    packed = examine({name: File(content, stored=False)}, **inside)
    assert kinds(packed, "error") == {"library-compressed"} == kinds(packed)
    assert kinds(examine({name: File(content, stored=False)})) == set()  # extracted on installation
    assert kinds(examine({name: File(content, align=4)}), "warning") == {"library-zip-not-16kb"}


@needs_gcc
def test_abis(examine, libraries):
    small = File(runtime(libraries, bits=32, machine=ARM), align=16384)
    arm, wide, emulator = (f"lib/{abi}/libtensorflowlite_jni.so" for abi in ("armeabi-v7a", "arm64-v8a", "x86_64"))
    assert kinds(examine({wide: None, emulator: None, arm: small}), "error") == {"abi-64-bit-missing"}
    assert kinds(examine({wide: None}), "error") == {"abi-arm-missing"}
    assert kinds(examine({wide: None, emulator: None}), "error") == set()  # no native code runs anywhere
    old = examine({emulator: None, "lib/x86/libtensorflowlite_jni.so": File(runtime(libraries, bits=32), align=16384)})
    assert kinds(old, "error") == {"abi-64-bit-missing"}
    part = examine({wide: None, emulator: None, arm: small}, root={"_split": "config.armeabi_v7a"})
    assert "abi-64-bit-missing" not in kinds(part)
    strange = examine({"lib/arm64/libx.so": File(libraries(), align=16384)})
    assert kinds(strange, "warning") == {"abi-unknown"} == kinds(strange)


@needs_gcc
def test_abis_have_the_same_libraries(examine, libraries):
    own = examine({"lib/arm64-v8a/libown.so": File(libraries(machine=AARCH64), align=16384)})
    assert kinds(own, "warning") == {"abi-sets-differ"} == kinds(own)
    assert "libown.so (for x86_64)" in own.findings[0].message
    lacking = examine(
        {
            "lib/x86_64/libtensorflowlite_jni.so": None,
            "lib/x86_64/libown.so": File(libraries(), align=16384),
            "lib/arm64-v8a/libown.so": File(libraries(machine=AARCH64), align=16384),
        }
    )
    assert kinds(lacking, "error") == {"abi-sets-differ"}
    assert lacking.findings[0].subjects == ("libtensorflowlite_jni.so",)


@needs_gcc
def test_libraries_for_another_machine_or_none(examine, libraries):
    name = "lib/arm64-v8a/libtensorflowlite_jni.so"
    wrong = examine({name: File(runtime(libraries), align=16384)})
    assert kinds(wrong, "error") == {"library-wrong-machine"} == kinds(wrong)
    damaged = examine({name: File(b"version https://git-lfs.github.com/spec/v1\n", align=16384)})
    assert kinds(damaged, "error") == {"library-not-elf"}
    both = {f"lib/{abi}/libdata.so": File(b"PK not a library", align=16384) for abi in ("arm64-v8a", "x86_64")}
    assert kinds(examine(both), "warning") == {"library-not-elf"} == kinds(examine(both))


@needs_gcc
def test_models_in_the_archive(examine):
    packed = examine({"assets/model.tflite": File(tflite(("ADD", 1)), stored=False)})
    assert kinds(packed, "error") == {"model-compressed"} == kinds(packed)
    moved = examine({"assets/model.tflite": File(tflite(("ADD", 1)), shift=2)})
    assert kinds(moved, "error") == {"not-zip-aligned"}
    broken = examine({"assets/model.tflite": File(tflite(("ADD", 1))[:40])})
    assert kinds(broken, "error") == {"model-unreadable"}
    pointer = examine({"assets/model.tflite": File(b"version https://git-lfs.github.com/spec/v1\n")})
    assert kinds(pointer, "error") == {"model-unreadable"}
    renamed = examine({"assets/model.tflite": None, "assets/net.bin": File(tflite(("ADD", 1)), stored=False)})
    assert [model.path for model in renamed.models] == ["assets/net.bin"]
    assert kinds(renamed, "error") == {"model-compressed"}


@needs_gcc
def test_models_that_are_too_large_to_be_read(examine, monkeypatch):
    monkeypatch.setattr("tflitekit.apk.models.MODEL_LIMIT_BYTES", 100)
    report = examine()
    assert kinds(report, "warning") == {"model-not-read"} == kinds(report)
    assert report.models[0].sha256 is None


@needs_gcc
def test_the_runtime_against_the_model(examine, libraries):
    model = {"assets/model.tflite": tflite(("FULLY_CONNECTED", 12))}  # since 2.17

    def runtimes(version, **options):
        return {
            f"lib/{abi}/libtensorflowlite_jni.so": File(
                runtime(libraries, version, machine=machine, **options), align=16384
            )
            for abi, machine in (("arm64-v8a", AARCH64), ("x86_64", None))
        }

    old = examine(model | runtimes("2.16.1"))
    assert kinds(old, "error") == {"runtime-too-old"} == kinds(old)
    assert "needs TensorFlow Lite 2.17.0" in old.findings[0].message
    assert "2.16.1" in old.findings[0].message
    assert kinds(examine(model | runtimes("2.17.0"))) == set()
    assert kinds(examine(model | runtimes("2.18.0-rc1"))) == set()
    assert kinds(examine(model | runtimes("2.17.0-rc1")), "error") == {"runtime-too-old"}
    assert kinds(examine(model | runtimes("not a number"))) == {"runtime-version-unknown"}


@needs_gcc
def test_versions_that_differ_or_are_not_there(examine, libraries):
    mixed = examine({"lib/x86_64/libtensorflowlite_jni.so": File(runtime(libraries, "2.16.1"), align=16384)})
    assert kinds(mixed) == {"runtime-version-unknown"}
    assert "2.16.1" in mixed.runtimes[0].version_note
    assert "2.17.0" in mixed.runtimes[0].version_note
    silent = {
        f"lib/{abi}/libtensorflowlite_jni.so": File(libraries(machine=machine), align=16384)
        for abi, machine in (("arm64-v8a", AARCH64), ("x86_64", None))
    }
    report = examine(silent)
    assert report.runtimes[0].version is None
    assert kinds(report, "warning") == {"runtime-version-unknown"} == kinds(report)


@needs_gcc
def test_another_library_with_a_runtime_built_in(examine, libraries):
    """Where the app has a runtime as such, one inside another library says nothing about the app's models."""
    source = 'const char* reason(void) { return "Didn\'t find op for builtin opcode"; }'
    own = {
        f"lib/{abi}/libvision.so": File(libraries(source=source, machine=machine), align=16384)
        for abi, machine in (("arm64-v8a", AARCH64), ("x86_64", None))
    }
    report = examine(own)
    assert [(one.name, one.embedded) for one in report.runtimes] == [
        ("libtensorflowlite_jni.so", False),
        ("libvision.so", True),
    ]
    assert kinds(report) == set()
    alone = {f"lib/{abi}/libtensorflowlite_jni.so": None for abi in ("arm64-v8a", "x86_64")}
    assert kinds(examine(own | alone)) == {"runtime-version-unknown"}


@needs_gcc
def test_no_runtime(examine):
    none = {f"lib/{abi}/libtensorflowlite_jni.so": None for abi in ("arm64-v8a", "x86_64")}
    assert kinds(examine(none), "warning") == {"runtime-not-found"} == kinds(examine(none))
    assert kinds(examine(none | {"assets/model.tflite": None})) == set()
    assert "runtime-not-found" not in kinds(examine(none, root={"_split": "config.en"}))


@needs_gcc
@pytest.mark.parametrize(
    "sign",
    [
        {"play-services-tflite-java.properties": File(b"version=16.4.0\n", stored=False)},
        {"classes2.dex": File(b"dex\n035\0Lcom/google/android/gms/tflite/client/TfLiteClient;", stored=False)},
    ],
)
def test_play_services(examine, sign):
    none = {f"lib/{abi}/libtensorflowlite_jni.so": None for abi in ("arm64-v8a", "x86_64")}
    report = examine(none | sign)
    assert kinds(report, "note") == {"runtime-from-play-services"}
    assert kinds(report, "warning") == {"runtime-version-unknown"}
    assert report.runtimes[0].abis == ()


@needs_gcc
def test_operators_from_elsewhere(examine, libraries):
    flex = {"assets/model.tflite": tflite(("ADD", 1), custom=("FlexErf",))}
    assert kinds(examine(flex), "error") == {"flex-missing"}
    delegate = {
        f"lib/{abi}/libtensorflowlite_flex_jni.so": File(libraries(machine=machine), align=16384)
        for abi, machine in (("arm64-v8a", AARCH64), ("x86_64", None))
    }
    assert kinds(examine(flex | delegate)) == set()
    own = examine({"assets/model.tflite": tflite(("ADD", 1), custom=("MyOp",))})
    assert kinds(own, "warning") == {"custom-operators"} == kinds(own)
    detector = examine({"assets/model.tflite": tflite(("ADD", 1), custom=("TFLite_Detection_PostProcess",))})
    assert kinds(detector) == set()  # every runtime has this one
    newer = examine({"assets/model.tflite": tflite(("ADD", 1), ("CONV_2D", 99))})
    assert kinds(newer, "warning") == {"model-minimum-unknown"} == kinds(newer)


@needs_gcc
def test_the_gpu_delegate_needs_the_drivers_name(examine, libraries):
    gpu = {
        f"lib/{abi}/libtensorflowlite_gpu_jni.so": File(libraries(machine=machine), align=16384)
        for abi, machine in (("arm64-v8a", AARCH64), ("x86_64", None))
    }
    assert kinds(examine(gpu), "warning") == {"opencl-not-declared"} == kinds(examine(gpu))
    declared = Tag("uses-native-library", {"name": "libOpenCL.so", "required": False})
    assert kinds(examine(gpu, inner=[declared])) == set()
    assert "opencl-not-declared" not in kinds(examine(gpu, target=30))


@needs_gcc
def test_bundles(examine):
    model = tflite(("ADD", 1))
    digest = hashlib.sha256(model).hexdigest()
    told = {"variants": [{"file": "m.tflite", "sha256": digest}], "golden": {"x": {"file": "golden/a", "sha256": "0"}}}
    place, description = "assets/digits/", json.dumps(told).encode()
    broken = examine({f"{place}bundle.json": description, f"{place}m.tflite": model, f"{place}golden/a": b"1"})
    assert kinds(broken, "error") == {"bundle-file-changed"} == kinds(broken)
    assert broken.findings[0].subjects == ("assets/digits/golden/a",)
    lacking = examine({f"{place}bundle.json": description, f"{place}m.tflite": model})
    assert kinds(lacking, "error") == {"bundle-file-missing"} == kinds(lacking)
    told["golden"]["x"]["sha256"] = hashlib.sha256(b"1").hexdigest()
    whole = {f"{place}bundle.json": json.dumps(told).encode(), f"{place}m.tflite": model, f"{place}golden/a": b"1"}
    report = examine(whole)
    assert kinds(report) == set()
    assert (report.bundles[0].path, report.bundles[0].files) == ("assets/digits/bundle.json", 2)
    for other in (b"{}", b"[" * 100_000, b"\xff"):
        assert kinds(examine({f"{place}bundle.json": other}), "warning") == {"bundle-unreadable"}


@needs_gcc
@pytest.mark.parametrize(
    ("code", "version"),
    [
        (".long 0x90000000, 0x91010000, 0xd65f03c0", "2.16.1"),  # adrp x0, 0; add x0, x0, 64; ret
        (".long 0xd503245f, 0x90000000, 0x91010000, 0xd65f03c0", "2.16.1"),  # bti c before it
        (".long 0x10000200, 0xd65f03c0", "2.16.1"),  # adr x0, 64; ret
        (".long 0xd2800000, 0xd65f03c0", None),  # mov x0, 0; ret
    ],
)
def test_the_version_is_what_the_function_returns(libraries, code, version):
    """With several texts that look like versions in the library, its machine code tells which one it is."""
    elf = read_elf(libraries(source=ARM64_SOURCE.format(code=code), machine=AARCH64))
    assert elf.abi == "arm64-v8a"
    assert elf.returned_text("TfLiteVersion") == version


@needs_gcc
def test_an_ambiguous_version_is_unknown(examine, libraries):
    """The code of 32-bit ARM is not decoded: there, only a version that is the only one counts."""
    for other, version in (("none", "2.17.0"), ("1.2.11", None)):
        small = File(runtime(libraries, other=other, bits=32, machine=ARM), align=16384)
        report = examine({"lib/armeabi-v7a/libtensorflowlite_jni.so": small})
        found = next(one for one in report.libraries if one.abi == "armeabi-v7a")
        assert found.runtime_version == version
        assert report.runtimes[0].version == "2.17.0"  # the other ABIs say it


@needs_gcc
def test_litert_numbers_are_not_tensorflows(examine, libraries):
    source = VERSION_SOURCE + "int LiteRtCreateEnvironment(void) {{ return 0; }}"
    for version, understood in (("2.1.6", False), ("2.19.0", True)):
        text = source.format(version=version, other="none")
        report = examine(
            {
                f"lib/{abi}/libtensorflowlite_jni.so": File(libraries(source=text, machine=machine), align=16384)
                for abi, machine in (("arm64-v8a", AARCH64), ("x86_64", None))
            }
        )
        assert report.runtimes[0].version == (version if understood else None)
        assert ("runtime-version-unknown" in kinds(report)) is not understood


@pytest.mark.skipif(not AARS, reason="no AAR of TensorFlow Lite in the Maven cache")
@pytest.mark.parametrize("aar", AARS, ids=lambda path: path.parent.name)
def test_real_runtimes(tmp_path, aar):
    """The libraries that Google published: every ABI says the version of its release."""
    with zipfile.ZipFile(aar) as archive:
        files = {
            name.replace("jni/", "lib/"): File(archive.read(name), stored=False)
            for name in archive.namelist()
            if name.endswith("libtensorflowlite_jni.so")
        }
    files["AndroidManifest.xml"] = manifest()
    report = inspect_apk(package(tmp_path / "app.apk", files), on=DAY)
    assert {(one.machine, one.runtime_version) for one in report.libraries} == {
        (abi, aar.parent.name) for abi in ("arm64-v8a", "armeabi-v7a", "x86_64", "x86")
    }
    assert [runtime.version for runtime in report.runtimes] == [aar.parent.name]


def test_a_manifest_made_by_aapt2():
    """`tests/data/AndroidManifest.axml` is what Debian's aapt2 2.19 made of a manifest."""
    content = (Path(__file__).parents[1] / "data" / "AndroidManifest.axml").read_bytes()
    elements = list(parse(content))
    assert [element.path[-1] for element in elements] == [
        "manifest", "uses-sdk", "uses-permission", "uses-permission", "uses-feature", "uses-feature", "application",
        "meta-data",
    ]  # fmt: skip
    assert elements[0].attributes["package"] == "org.example.digits"
    assert elements[0].attributes[ATTRIBUTES["versionName"]] == "1.2.0"
    assert elements[1].attributes == {ATTRIBUTES["minSdkVersion"]: 24, ATTRIBUTES["targetSdkVersion"]: 35}
    assert elements[4].attributes[ATTRIBUTES["required"]] is False
    assert elements[6].attributes[ATTRIBUTES["extractNativeLibs"]] is False
    assert elements[6].attributes[ATTRIBUTES["debuggable"]] is True
    assert isinstance(elements[7].attributes[ATTRIBUTES["value"]], Reference)


@needs_aapt2
def test_the_linked_apk_of_aapt2(tmp_path):
    text = """<?xml version="1.0" encoding="utf-8"?>
    <manifest xmlns:android="http://schemas.android.com/apk/res/android" package="org.example.linked">
      <uses-permission android:name="android.permission.CAMERA"/>
      <uses-feature android:name="android.hardware.camera" android:required="false"/>
      <application android:label="Größe" android:testOnly="true"/>
    </manifest>"""
    options = ("--min-sdk-version", "26", "--target-sdk-version", "36", "--version-code", "41", "--version-name", "v")
    found = inspect_apk(aapt2(tmp_path, text, *options), on=DAY)
    assert found.manifest.model_dump(include={"package", "version_name", "version_code", "min_sdk", "target_sdk"}) == {
        "package": "org.example.linked", "version_name": "v", "version_code": 41, "min_sdk": 26, "target_sdk": 36,
    }  # fmt: skip
    assert found.manifest.features == ()
    assert kinds(found) == {"test-only", "unsigned"}


NAMES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=200)
VALUES = st.one_of(st.booleans(), st.integers(-(2**31), 2**31 - 1), NAMES)
TAGS = st.recursive(
    st.builds(Tag, NAMES, st.dictionaries(st.sampled_from(sorted(ATTRIBUTES)), VALUES, max_size=5)),
    lambda children: st.builds(
        Tag, NAMES, st.dictionaries(NAMES.map("_".__add__), VALUES, max_size=3), st.lists(children, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=100)
@given(TAGS, st.booleans())
def test_binary_xml_says_what_was_written(root, utf8):
    def expected(tag, parents):
        path = (*parents, tag.name)
        yield Element(
            path, {ATTRIBUTES.get(key, key.removeprefix("_")): value for key, value in tag.attributes.items()}
        )
        for child in tag.children:
            yield from expected(child, path)

    assert list(parse(axml(root, utf8=utf8))) == list(expected(root, ()))


def test_long_texts_in_binary_xml():
    for count in (127, 128, 300, 32767, 32768):
        for utf8 in (True, False):
            if utf8 and count > 32767:
                continue
            root = Tag("manifest", {"_package": "x" * count})
            assert next(iter(parse(axml(root, utf8=utf8)))).attributes["package"] == "x" * count


def small(path, **changed):
    """Writes an APK without libraries, which needs no compiler."""
    files = {"AndroidManifest.xml": manifest(), "assets/model.tflite": tflite(("ADD", 1))} | changed
    return package(path, files)


def test_the_small_models_are_ones(tmp_path):
    graph = parse_graph(tflite(("ADD", 1), ("FULLY_CONNECTED", 12), custom=("MyOp",)), "m")
    assert (graph.min_runtime_version, graph.custom_ops) == ("2.17.0", ("MyOp",))


def test_files_that_are_no_apk(tmp_path):
    with pytest.raises(ApkError, match="cannot be read"):
        inspect_apk(tmp_path / "none.apk")
    with pytest.raises(ApkError, match="is a folder"):
        inspect_apk(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ApkError, match="named pipe, not a regular file"):
        inspect_apk(tmp_path / "pipe")
    for content, why in ((b"", "It is empty"), (b"MZ" * 50, "does not start like a ZIP archive")):
        path = tmp_path / "x.apk"
        path.write_bytes(content)
        with pytest.raises(ApkError, match=why):
            inspect_apk(path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.txt": b"x"}, "is a ZIP archive, but not an APK"),
        ({"BundleConfig.pb": b"x", "base/manifest/AndroidManifest.xml": b"x"}, "--mode=universal"),
        ({"toc.pb": b"x", "universal.apk": b"PK"}, "is a set of APKs"),
        ({"AndroidManifest.xml": b"<?xml version='1.0'?><manifest/>", "classes.jar": b"x"}, r"\.aar"),
        ({"AndroidManifest.xml": b"\3\0\x08\0"}, "cannot be read"),
        ({"AndroidManifest.xml": axml(Tag("application"))}, "outermost element"),
    ],
)
def test_other_archives(tmp_path, files, message):
    with pytest.raises(ApkError, match=message):
        inspect_apk(package(tmp_path / "x.apk", files))


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "assets/../../x", "..\\x", "C:/x", "", "assets/\x1b[2Jx"]
)
def test_names_that_lead_outside(tmp_path, name):
    path = small(tmp_path / "x.apk", **{name or "gone": b"x"})
    if not name:
        path.write_bytes(path.read_bytes().replace(b"gone", b"\0one"))  # ZIP readers stop at the zero
    with pytest.raises(ApkError, match="has a file with the name"):
        inspect_apk(path)


def test_the_same_name_twice(tmp_path):
    path = tmp_path / "x.apk"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("AndroidManifest.xml", manifest())
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("AndroidManifest.xml", manifest(package="org.example.other"))
    with pytest.raises(ApkError, match="more than one file named"):
        inspect_apk(path)


def test_sizes_that_cannot_be(tmp_path):
    path = small(tmp_path / "x.apk", **{"assets/zeros": File(b"\0" * 100_000, stored=False)})
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\1\2")
    struct.pack_into("<I", content, entry + 24, 4_000_000_000)
    path.write_bytes(content)
    with pytest.raises(ApkError, match=r"claims to unpack from .* to 4,000,000,000 bytes"):
        inspect_apk(path)


def test_files_that_share_their_bytes(tmp_path):
    """The better zip bomb: many entries with the same data (D. Fifield, WOOT 2019)."""
    path = small(tmp_path / "x.apk", **{"assets/zeros": File(b"\0" * 2_000_000, stored=False)})
    content = path.read_bytes()
    end = content.rindex(b"PK\5\6")
    last = content[content.rindex(b"PK\1\2") : end]
    copies = b"".join(last.replace(b"assets/zeros", f"assets/z{i:04d}".encode()) for i in range(3000))
    tail = bytearray(content[end:])
    count, size = struct.unpack_from("<HHI", tail, 8)[0] + 3000, struct.unpack_from("<I", tail, 12)[0] + len(copies)
    struct.pack_into("<HHI", tail, 8, count, count, size)
    path.write_bytes(content[:end] + copies + tail)
    with pytest.raises(ApkError, match="would take"):
        inspect_apk(path)


def test_another_method_of_compression(tmp_path):
    path = tmp_path / "x.apk"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("AndroidManifest.xml", manifest())
    with pytest.raises(ApkError, match="compressed with method 14"):
        inspect_apk(path)


def test_a_damaged_signing_block(tmp_path):
    path = small(tmp_path / "x.apk")
    content = bytearray(path.read_bytes())
    start = content.index(b"APK Sig Block 42") - 8
    struct.pack_into("<Q", content, start, 40)
    path.write_bytes(content)
    with pytest.raises(ApkError, match="signing block"):
        inspect_apk(path)


@settings(max_examples=60)
@given(share=st.floats(0.0, 0.999))
def test_truncated_packages_are_refused(tmp_path, share):
    path = small(tmp_path / "cut.apk")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ApkError):
        inspect_apk(path)


@needs_gcc
@settings(max_examples=150)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=40), st.booleans())
def test_garbled_packages_are_read_or_refused_but_never_crash(tmp_path, libraries, changes, directory):
    """Everywhere, or in the directory alone, where each byte matters."""
    jni = {"lib/x86_64/libtensorflowlite_jni.so": File(runtime(libraries), align=4)}
    path = small(tmp_path / "garbled.apk", **jni)
    content = bytearray(path.read_bytes())
    start = content.index(b"PK\1\2") if directory else 0
    for position, value in changes:
        content[start + position % (len(content) - start)] = value
    path.write_bytes(content)
    with contextlib.suppress(TflitekitError):  # anything else fails the test
        assert inspect_apk(path).size_bytes == len(content)


@settings(max_examples=150)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=20))
def test_garbled_manifests(changes):
    content = bytearray(manifest(tags=[Tag("uses-permission", {"name": "x"})]))
    for position, value in changes:
        content[position % len(content)] = value
    with contextlib.suppress(ValueError):
        list(parse(bytes(content)))


@needs_gcc
@settings(max_examples=150)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=30), st.booleans())
def test_garbled_libraries(libraries, changes, header):
    content = bytearray(runtime(libraries, page=0x1000))
    size = 700 if header else len(content)  # the ELF header and the program headers
    for position, value in changes:
        content[position % size] = value
    with contextlib.suppress(ValueError):
        read_elf(bytes(content)).returned_text("TfLiteVersion")


@needs_gcc
def test_the_command(tmp_path, libraries, cli):
    good = package(tmp_path / "good.apk", healthy(libraries))
    bad = package(
        tmp_path / "bad.apk",
        healthy(libraries, **{"AndroidManifest.xml": manifest(application={"debuggable": True})}),
    )
    found = run_json(cli("doctor", "apk", bad, "--json"))
    assert found["findings"][0]["kind"] == "debuggable"
    assert found["findings"][0]["stage"] == "Play"
    code, out, _ = cli("doctor", "apk", bad)
    assert code == 1
    assert "It is debuggable" in out
    assert "Would fail: 1 in Play." in out
    code, out, _ = cli("doctor", "apk", good)
    assert code == 0
    assert "Nothing was found" in out
    code, out, err = cli("doctor", "apk", tmp_path / "none.apk", "--json")
    assert code == 2
    assert json.loads(out)["error"]["type"] == "ApkError"
    assert "cannot be read" in err


def test_doctor_itself_works_as_before(cli):
    code, out, _ = cli("doctor", "--json")
    assert "packages" in json.loads(out)
    assert code == (1 if json.loads(out)["problems"] else 0)
    code, _, err = cli("doctor", "--json", "apk", "x.apk")
    assert code == 2
    assert "--json" in err


def test_terminal_takes_nothing_for_markup(tmp_path, cli):
    path = small(tmp_path / "x.apk", **{"assets/[red]x[/].tflite": tflite(("ADD", 1))})
    code, out, _ = cli("doctor", "apk", path)
    assert "assets/[red]x[/].tflite" in out
    assert code == 0


def test_the_manifest_cannot_control_the_terminal(tmp_path, cli):
    path = small(tmp_path / "x.apk", **{"AndroidManifest.xml": manifest(package="org.\x1b[2Jx\u202e")})
    _, out, _ = cli("doctor", "apk", path)
    assert "org.\ufffd[2Jx\ufffd" in out


def test_the_path_is_light(tmp_path):
    program = (
        "import sys; from tflitekit.apk import inspect_apk; inspect_apk(sys.argv[1]);"
        "heavy = {'tensorflow', 'keras', 'tf_keras', 'scipy'} & set(sys.modules); assert not heavy, heavy"
    )
    assert subprocess.run([sys.executable, "-c", program, small(tmp_path / "x.apk")], check=False).returncode == 0
    program = (
        "import sys; from tflitekit.cli import app\ntry: app(['doctor', '--help'])\nexcept SystemExit: pass\n"
        "heavy = {'elftools', 'numpy', 'tensorflow'} & set(sys.modules); assert not heavy, heavy"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, capture_output=True).returncode == 0


def test_every_kind_is_documented():
    root = Path(__file__).parents[2]
    sources = "".join(path.read_text() for path in (root / "tflitekit" / "apk" / "checks").glob("*.py"))
    named = set(re.findall(r'"((?:[a-z0-9]+-)+[a-z0-9]+|debuggable|unsigned)",', sources))
    documented = set(re.findall(r"`([a-z0-9-]+)`", (root / "docs" / "doctor-apk.md").read_text()))
    assert len(named) > 25
    assert named - {"arm64-v8a", "armeabi-v7a"} <= documented


def test_a_model_of_the_converter(tmp_path, variants):
    content = (variants / "int8.tflite").read_bytes()
    report = inspect_apk(small(tmp_path / "x.apk", **{"assets/model.tflite": content}), on=DAY)
    assert report.models[0].min_runtime == parse_graph(content, "x").min_runtime_version
    assert report.models[0].problem is None


@pytest.mark.slow
def test_a_bundle_that_the_kit_made(tmp_path, optimized, shapes):
    from tflitekit import bundle

    bundle(optimized, data=shapes / "test", out=tmp_path / "b", samples=2)
    files = {f"assets/b/{f.relative_to(tmp_path / 'b')}": f for f in (tmp_path / "b").rglob("*") if f.is_file()}
    report = inspect_apk(small(tmp_path / "x.apk", **{name: f.read_bytes() for name, f in files.items()}), on=DAY)
    (found,) = report.bundles
    assert (found.missing, found.changed, found.problem) == ((), (), None)
    assert found.files >= 5


@pytest.mark.slow
@pytest.mark.skipif(not has_aapt2() or not shutil.which("apksigner"), reason="aapt2 and apksigner are not here")
def test_real_signatures(tmp_path):
    text = """<manifest xmlns:android="http://schemas.android.com/apk/res/android" package="org.example.signed">
      <application/></manifest>"""
    linked = aapt2(tmp_path, text, "--min-sdk-version", "23", "--target-sdk-version", "36")
    store = tmp_path / "debug.keystore"
    made = ["-alias", "a", "-keyalg", "EC", "-dname", "CN=Android Debug", "-storepass", "android", "-validity", "99"]
    subprocess.run(["keytool", "-genkeypair", "-keystore", store, *made], check=True, capture_output=True)
    signed = tmp_path / "signed.apk"
    options = ["--ks", store, "--ks-pass", "pass:android", "--min-sdk-version", "23", "--out", signed]
    subprocess.run(["apksigner", "sign", *options, linked], check=True, capture_output=True)
    report = inspect_apk(signed, on=DAY)
    assert report.signing.schemes == ("v1", "v2", "v3")
    assert kinds(report) == {"debug-certificate"}
