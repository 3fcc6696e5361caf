"""The Android app as built without an Android SDK: a real APK, and checks that find what is really wrong with one."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import struct
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from apkbuild import sources, tools
from apkbuild.archive import write_apk
from apkbuild.artifacts import fetch
from apkbuild.check import Check, check_apk, check_classes
from apkbuild.classes import javac
from apkbuild.settings import read_properties, read_settings
from apkbuild.signing import Key, debug_key, sign, verify

from tflitekit._version import __version__
from tflitekit.bundling import read_bundle
from tflitekit.core.errors import TflitekitError, UsageError

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "android_demo"
ASSETS = DEMO / "app" / "src" / "main" / "assets"
BUNDLE = ASSETS / "bundle"
SETTINGS = read_settings()
POM = "{http://maven.apache.org/POM/4.0.0}"

android = pytest.mark.android
needs_tools = pytest.mark.usefixtures("android_tools")


def build_apk(*arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(DEMO / "offline" / "build_apk.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done


@dataclass(frozen=True)
class Made:
    path: Path
    printed: str


@pytest.fixture(scope="session")
def made(android_tools: None, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The app with its default bundle, built and checked by the command that people use."""
    path = tmp_path_factory.mktemp("apk") / "demo.apk"
    return Made(path, build_apk("--out", path).stdout)


def failed(checks: tuple[Check, ...]) -> dict[str, tuple[str, ...]]:
    return {check.name: check.problems for check in checks if not check.ok}


def rewritten(apk: Path, changes: Mapping[str, bytes | None], tmp_path: Path) -> Path:
    """Returns a copy of an APK, signed again, in which some entries have another content, or none."""
    with zipfile.ZipFile(apk) as archive:
        entries = {e.filename: (archive.read(e), e.compress_type != zipfile.ZIP_STORED) for e in archive.infolist()}
    for name, content in changes.items():
        entries.pop(name) if content is None else entries.update({name: (content, True)})
    unsigned, out = tmp_path / "unsigned.apk", tmp_path / "changed.apk"
    unsigned.write_bytes(write_apk(entries))
    sign(unsigned, out, debug_key(), SETTINGS)
    return out


@android
def test_the_build_passes_its_own_checks(made: Made) -> None:
    assert "FAIL" not in made.printed
    assert made.printed.count("ok  ") == 8
    assert hashlib.sha256(made.path.read_bytes()).hexdigest() in made.printed
    assert "Not built for memory pages of 16 KB" in made.printed  # known, and never hidden


@android
def test_the_same_content_gives_the_same_file(made: Made, tmp_path: Path) -> None:
    shutil.copytree(BUNDLE, tmp_path / "elsewhere")
    build_apk("--no-check", "--bundle", tmp_path / "elsewhere", "--out", tmp_path / "again.apk")
    assert (tmp_path / "again.apk").read_bytes() == made.path.read_bytes()


@android
def test_signature_schemes(made: Made) -> None:
    said = verify(made.path, SETTINGS)
    assert "Verified using v2 scheme (APK Signature Scheme v2): true" in said
    assert "Verified using v3 scheme (APK Signature Scheme v3): true" in said


@android
def test_manifest_says_what_gradle_properties_say(made: Made) -> None:
    badging = tools.run("Reading the manifest", ["aapt2", "dump", "badging", made.path])
    assert f"package: name='{SETTINGS.application_id}' versionCode='{SETTINGS.version_code}'" in badging
    assert f"versionName='{SETTINGS.version_name}'" in badging
    assert f"sdkVersion:'{SETTINGS.min_sdk}'" in badging
    assert f"targetSdkVersion:'{SETTINGS.target_sdk}'" in badging
    assert f"launchable-activity: name='{SETTINGS.application_id}." in badging
    tree = tools.run("Reading the manifest", ["aapt2", "dump", "xmltree", "--file", "AndroidManifest.xml", made.path])
    assert re.search(r"extractNativeLibs\(0x[0-9a-f]+\)=false", tree)
    assert "debuggable" not in tree


@android
def test_libraries_lie_at_multiples_of_16_kb_for_each_abi(made: Made) -> None:
    names = {"libtensorflowlite_jni.so", "libtensorflowlite_gpu_jni.so"}
    with zipfile.ZipFile(made.path) as archive, made.path.open("rb") as stream:
        libraries = [entry for entry in archive.infolist() if entry.filename.endswith(".so")]
        assert {e.filename for e in libraries} == {f"lib/{abi}/{name}" for abi in SETTINGS.abis for name in names}
        for entry in libraries:
            assert entry.compress_type == zipfile.ZIP_STORED
            stream.seek(entry.header_offset)
            header = struct.unpack("<4s5H3I2H", stream.read(30))
            stream.seek(header[-2] + header[-1], 1)
            assert stream.tell() % 16_384 == 0
            assert stream.read(4) == b"\x7fELF"


@android
def test_the_bundle_is_there_byte_for_byte_and_models_are_stored(made: Made) -> None:
    content = read_bundle(BUNDLE)
    expected = {"bundle.json", *(["labels.txt"] if content.labels else []), *(e.file for e in content.files())}
    with zipfile.ZipFile(made.path) as archive:
        packed = {name for name in archive.namelist() if name.startswith("assets/bundle/")}
        assert packed == {f"assets/bundle/{name}" for name in expected}
        for name in expected:
            assert archive.read(f"assets/bundle/{name}") == (BUNDLE / name).read_bytes()
        models = [archive.getinfo(f"assets/bundle/{variant.file}") for variant in content.variants]
        assert models and all(entry.compress_type == zipfile.ZIP_STORED for entry in models)


@android
def test_dex_has_app_core_and_runtime(made: Made) -> None:
    with zipfile.ZipFile(made.path) as archive:
        dex = archive.read("classes.dex")
        assert not [n for n in archive.namelist() if n.endswith(".class")]
    assert dex[:7] == b"dex\n037"  # the version of API 24
    for name in (
        b"Lorg/tflitekit/demo/R;",
        b"Lorg/tflitekit/core/bundle/Bundle;",
        b"Lorg/tensorflow/lite/Interpreter;",
    ):
        assert name in dex
    assert b"Landroid/app/Activity;" in dex


@android
def test_another_bundle_takes_the_place_of_the_default_one(tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(BUNDLE, other)
    (other / "notes.txt").write_text("not part of the bundle")
    description = json.loads((other / "bundle.json").read_text())
    description["name"] = "other"
    (other / "bundle.json").write_text(json.dumps(description))
    found = sources.assets(ASSETS, other)
    assert found["assets/bundle/bundle.json"] == other / "bundle.json"
    assert all(other in path.parents for name, path in found.items() if name.startswith("assets/bundle/"))
    assert "assets/bundle/notes.txt" not in found


@android
@needs_tools
def test_a_damaged_bundle_is_refused(tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    shutil.copytree(BUNDLE, bad)
    model = next((bad / "models").iterdir())
    model.write_bytes(model.read_bytes()[:-1] + b"?")
    done = build_apk("--bundle", bad, "--out", tmp_path / "x.apk", code=2)
    assert model.name in done.stderr
    assert not (tmp_path / "x.apk").exists()


def test_no_bundle_at_all_is_explained(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--bundle"):
        sources.assets(tmp_path, None)


@android
@needs_tools
def test_a_keystore_that_is_not_there(tmp_path: Path) -> None:
    done = build_apk("--keystore", tmp_path / "no.jks", "--out", tmp_path / "x.apk", "--no-check", code=2)
    assert "no.jks" in done.stderr


@android
@needs_tools
def test_planted_classes_are_found(tmp_path: Path) -> None:
    """Each of the planted classes breaks one rule; the guarded one breaks none."""
    planted = {
        "Indy": "Runnable r = () -> {};",
        "Newer": "void f(android.app.Activity a) { a.setShowWhenLocked(true); }",
        "Hidden": 'String s = android.os.SystemProperties.get("ro.product.model");',
        "JavaNewer": "Object o = java.time.Instant.now();",
        "AndroidX": 'String s = "androidx.core.content.FileProvider";',
        "Guarded": "@android.annotation.TargetApi(27) static void f(android.app.Activity a) { a.setShowWhenLocked(true); }",
        "Fine": 'String s = "a" + getClass().getName();',
    }
    folder = tmp_path / "planted"
    folder.mkdir()
    for name, body in planted.items():
        (folder / f"{name}.java").write_text(f"package planted; final class {name} {{ {body} }}")
    (folder / "Screen.java").write_text(
        "package planted; class Screen extends android.app.Activity { void f() { setTurnScreenOn(true); finish(); } }"
    )
    artifacts = fetch()
    jars = artifacts.runtime(SETTINGS.abis, gpu=False, work=tmp_path / "runtime").jars
    javac([folder], [artifacts.android], SETTINGS, out=tmp_path / "classes")
    api, indy, androidx = check_classes(tmp_path / "classes", jars, artifacts, SETTINGS)
    broken = {line.split(".class:")[0].removeprefix("planted/") for line in api.problems}
    assert broken == {"Hidden", "JavaNewer", "Newer", "Screen"}, api.problems
    assert "setShowWhenLocked" in str(api.problems)
    assert "setTurnScreenOn" in str(api.problems)  # called as an own method, which Activity has since API 27
    assert "SystemProperties" in str(api.problems)
    assert "java.time.Instant" in str(api.problems)
    assert api.notes == ("Guarded: planted.Guarded.f (API 27)",)
    assert len(indy.problems) == 1 and "planted.Indy" in indy.problems[0]
    assert androidx.problems == ("planted.AndroidX",)


@android
def test_a_compressed_model_is_found(made: Made, tmp_path: Path) -> None:
    with zipfile.ZipFile(made.path) as archive:
        model = next(name for name in archive.namelist() if name.endswith(".tflite"))
        out = tmp_path / "compressed.apk"
        with zipfile.ZipFile(out, "w") as copy:
            for entry in archive.infolist():
                kind = zipfile.ZIP_DEFLATED if entry.filename == model else entry.compress_type
                copy.writestr(entry.filename, archive.read(entry), kind)
    found = failed(check_apk(out, SETTINGS))
    problems = found["Models, libraries and resources are stored and aligned"]
    assert f"{model} is compressed." in problems
    assert any(line.startswith("lib/arm64-v8a/") and "16384" in line for line in problems)  # the copy pads nothing
    assert "apksigner verifies the signature" in found  # nor has it a signature
    explained = found["tflitekit doctor apk finds nothing that is not explained"]
    assert any(f"Compressed in the APK: {model}" in line for line in explained)


@android
def test_a_changed_model_and_an_androidx_view_are_found(made: Made, tmp_path: Path) -> None:
    with zipfile.ZipFile(made.path) as archive:
        model = next(name for name in archive.namelist() if name.endswith(".tflite"))
        content = archive.read(model)
        layout = next(n for n in archive.namelist() if n.startswith("res/") and n.endswith(".xml"))
    planted = "androidx.constraintlayout.widget.ConstraintLayout".encode("utf-16-le")
    out = rewritten(made.path, {model: content[:-1] + b"?", layout: planted}, tmp_path)
    found = failed(check_apk(out, SETTINGS))
    doctor = "tflitekit doctor apk finds nothing that is not explained"
    assert set(found) == {"The bundle is whole", "No AndroidX in manifest and layouts", doctor}
    assert len(found[doctor]) == 1 and Path(model).name in found[doctor][0]
    assert Path(model).name in found["The bundle is whole"][0]
    assert layout in found["No AndroidX in manifest and layouts"][0]


@android
def test_an_apk_that_does_not_fit_its_signature_is_found(made: Made, tmp_path: Path) -> None:
    content = bytearray(made.path.read_bytes())
    with zipfile.ZipFile(made.path) as archive:
        content[archive.getinfo("classes.dex").header_offset + 200] ^= 1
    out = tmp_path / "changed.apk"
    out.write_bytes(content)
    with pytest.raises(TflitekitError, match="Verifying the signature failed"):
        verify(out, SETTINGS)


@android
@needs_tools
def test_an_own_key_signs(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_PASSWORD", "secret-words")
    store = tmp_path / "own.jks"
    tools.run(
        "Making a key",
        [
            "keytool", "-genkeypair", "-keystore", store, "-storepass", "secret-words", "-alias", "mine", "-keyalg", "RSA",
            "-dname", "CN=Somebody",
        ],
    )  # fmt: skip
    unsigned = rewritten(made.path, {}, tmp_path)
    sign(unsigned, tmp_path / "own.apk", Key(store, "env:DEMO_PASSWORD"), SETTINGS)
    assert "CN=Somebody" in verify(tmp_path / "own.apk", SETTINGS)
    with pytest.raises(TflitekitError, match="Signing failed"):
        sign(unsigned, tmp_path / "wrong.apk", Key(store, "pass:wrong"), SETTINGS)


def test_missing_tools_are_named_with_the_line_that_installs_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TflitekitError, match=r"apt-get install aapt apksigner openjdk-17-jdk-headless maven"):
        tools.require()


def test_zip_writer_is_independent_of_the_order_and_aligns() -> None:
    entries = {
        "assets/a.tflite": (b"m" * 5, True),
        "assets/ümlaut.tflite": (b"n" * 7, True),
        "res/x.xml": (b"x" * 1000, True),
        "res/y.png": (b"y" * 1000, False),
        "lib/arm64-v8a/libx.so": (b"\x7fELF", True),
        "resources.arsc": (b"r" * 3, True),
    }
    content = write_apk(entries)
    assert content == write_apk(dict(reversed(entries.items())))
    for marker, multiple in ((b"mmmmm", 16), (b"nnnnnnn", 16), (b"\x7fELF", 16_384), (b"rrr", 4)):
        assert content.index(marker) % multiple == 0
    assert b"x" * 1000 not in content and b"y" * 1000 in content


def test_properties_file_is_read_strictly(tmp_path: Path) -> None:
    path = tmp_path / "gradle.properties"
    path.write_text("# a comment\na = 1\nb=x=y\n\n")
    assert read_properties(path) == {"a": "1", "b": "x=y"}
    for line in ("no equals sign", "path=C\\:\\\\x"):
        path.write_text(line)
        with pytest.raises(UsageError, match=r"gradle\.properties:1"):
            read_properties(path)
    path.write_text("minSdk=24")
    with pytest.raises(UsageError, match="applicationId"):
        read_settings(tmp_path)


def poms() -> list[Path]:
    return sorted(path for path in DEMO.rglob("pom.xml") if "target" not in path.parts)


def test_poms_agree_with_gradle_properties() -> None:
    properties = read_properties(DEMO / "gradle.properties")
    assert properties["versionName"] == __version__  # the app has the kit's version
    compared = set()
    for path in poms():
        root = ET.parse(path).getroot()
        for element in root.findall(f"{POM}properties/*"):
            name, kind = element.tag.removeprefix(POM).rpartition(".")[::2]
            key = f"{name}{kind.capitalize()}"
            if key in properties:
                assert element.text == properties[key], f"{path}: {name}.{kind}"
                compared.add(key)
        version = root.findtext(f"{POM}version") or root.findtext(f"{POM}parent/{POM}version")
        assert version == properties["versionName"], path
        assert root.findtext(f"{POM}properties/{POM}maven.compiler.release") in (None, properties["javaRelease"])
    assert {"tensorflowLiteVersion", "dalvikDxVersion", "androidAllVersion", "junitVersion", "jnaVersion"} <= compared
    signature = f"<artifactId>android-api-level-{SETTINGS.min_sdk}</artifactId>"
    assert signature in (DEMO / "offline" / "pom.xml").read_text()


def test_no_circle_of_java_packages_and_no_activity_in_those_of_the_screens() -> None:
    imports: dict[str, set[str]] = {}
    for part in ("app", "core"):
        source = DEMO / part / "src" / "main" / "java"
        for path in source.rglob("*.java"):
            package = ".".join(path.parent.relative_to(source).parts)
            named = re.findall(
                r"^import (?:static )?(org\.tflitekit(?:\.[a-z]+)+)\.[A-Z](?!;)", path.read_text(), re.MULTILINE
            )
            imports.setdefault(package, set()).update({*named} - {package})
    assert "org.tflitekit.demo.device" in imports["org.tflitekit.demo.ui"]
    assert not [package for package, named in imports.items() if "org.tflitekit.demo" in named]
    list(TopologicalSorter(imports).static_order())  # raises a CycleError


def test_gradle_files_take_everything_from_gradle_properties() -> None:
    properties = read_properties(DEMO / "gradle.properties")
    for path in (DEMO / "settings.gradle", *DEMO.glob("*/build.gradle"), DEMO / "build.gradle"):
        text = re.sub(r"//.*", "", path.read_text())
        used = re.findall(r"setting\('(\w+)'\)|\$\{(\w+)\}", text)
        assert {name for pair in used for name in pair if name} <= set(properties), path
        assert not re.search(r"\d", text.replace("UTF-8", "")), f"{path} has a number of its own"
    app = (DEMO / "app" / "build.gradle").read_text()
    for name in (
        "applicationId",
        "versionCode",
        "versionName",
        "minSdk",
        "targetSdk",
        "compileSdk",
        "abis",
        "javaRelease",
    ):
        assert f"setting('{name}')" in app
    wrapper = (DEMO / "gradle" / "wrapper" / "gradle-wrapper.properties").read_text()
    assert f"/gradle-{properties['gradleVersion']}-bin.zip" in wrapper
    assert SETTINGS.min_sdk <= SETTINGS.target_sdk <= SETTINGS.compile_sdk


def test_the_manifest_gets_what_gradle_puts_in(tmp_path: Path) -> None:
    source = tmp_path / "AndroidManifest.xml"
    source.write_text(
        '<manifest xmlns:android="http://schemas.android.com/apk/res/android" xmlns:tools="http://schemas.android.com/tools">'
        '<application android:label="x" tools:ignore="y"/></manifest>'
    )
    made = sources.manifest(source, replace(SETTINGS, application_id="a.b")).decode()
    assert 'package="a.b"' in made and 'android:extractNativeLibs="false"' in made and 'android:label="x"' in made
    assert "tools:" not in made
