"""Phones over adb: the real ``adb`` client, and at its other end a daemon of the tests that runs the app's core with the real runtime.

What is not real is Android: its shell commands answer as the documentation says, and no phone has confirmed them.
"""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from adbd import Phone, Server
from android_jvm import Core
from apkbuild.settings import read_settings
from conftest import optimize_converted
from edit_tflite import open_shapes
from jsonschema import Draft202012Validator

import tflitekit as tk
from tflitekit.core.errors import DeviceError, MissingDependencyError, TflitekitError
from tflitekit.core.progress import Progress
from tflitekit.data.dataset import open_dataset
from tflitekit.latency import lints
from tflitekit.latency.benchmarking import measure_variants
from tflitekit.options.benchmark import BenchmarkOptions
from tflitekit.render.load import load as describe
from tflitekit.results import Report, read_report
from tflitekit.targets import open_target
from tflitekit.targets.adb import app as driver
from tflitekit.targets.adb.client import Adb
from tflitekit.targets.adb.measuring import OnPhone, PhoneRuns
from tflitekit.targets.adb.results import joined
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.variant import load_variant

ROOT = Path(__file__).resolve().parents[2]
SHAPES = Path(__file__).resolve().parents[1] / "data" / "converted" / "shapes"
FILES = [SHAPES / "float32.tflite", SHAPES / "int8.tflite"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if shutil.which("adb") is None:
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail("adb is not installed (Debian package adb)")
        pytest.skip("adb is not installed (Debian package adb)")
    server = Server(tmp_path_factory.mktemp("home"))
    yield server
    server.close()


@pytest.fixture(scope="module", autouse=True)
def quick(server: Server) -> Iterator[None]:
    """Driven by the tests' own server, without the patience that phones need."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ANDROID_ADB_SERVER_PORT", "HOME"):
            patch.setenv(name, server.environment[name])
        for name, seconds in {"POLL_S": 0.1, "UNLOCKS_S": 0.5}.items():
            patch.setattr(driver, name, seconds)
        yield


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the files."""
    folder = tmp_path_factory.mktemp("sent") / "bundle"
    (spec,) = read_graph(FILES[0]).inputs
    tk.bundle(FILES, data={spec.name: np.zeros((1, *spec.shape[1:]), np.float32)}, samples=1, out=folder)
    return folder


@pytest.fixture
def plug(server: Server, sent: Path, tmp_path: Path) -> Iterator[Callable[..., Phone]]:
    """Connects phones; beside their folders lies the bundle."""
    phones: list[Phone] = []
    (tmp_path / "bundle").symlink_to(sent)

    def plug(*, app: str = "sleep 600", installed: bool = True, mode: str = "device") -> Phone:
        phone = Phone(tmp_path / f"phone-{len(phones)}", app=app)
        phones.append(phone)
        phone.mode = mode
        if installed:
            phone.say(version=str(driver.VERSION))
        server.adb("connect", phone.serial)
        return phone

    yield plug
    for phone in phones:
        server.adb("disconnect", phone.serial)
        phone.close()


def running_core(core: Core, name: str, kept: Path) -> str:
    """The script of an app that is the core on the JVM, on a phone of this name; it keeps a copy of what it writes."""
    command = shlex.join(core.command("org.tflitekit.core.Phone", phone_name=name))
    return f'{command} "$@"; cp "$1/runs/$9/"*.json {shlex.quote(str(kept))}'


class Measured(NamedTuple):
    """What `tk.benchmark` made of two phones, with the phones and what the first one wrote."""

    report: Report
    phones: list[Phone]
    apk: Path
    written: Path


@pytest.fixture(scope="module")
def measured(server: Server, core: Core, tmp_path_factory: pytest.TempPathFactory) -> Measured:
    folder = tmp_path_factory.mktemp("measured")
    (folder / "demo.apk").write_bytes(b"an app" * 1000)
    phones = []
    for number, name in enumerate(("Paper 1 (Android 15)", "Paper 2 (Android 14)")):
        (folder / f"written-{number}").mkdir()
        phones.append(Phone(folder / f"phone-{number}", app=running_core(core, name, folder / f"written-{number}")))
        server.adb("connect", phones[-1].serial)
    try:
        options = {"runs": 30, "threads": (2,), "sustained_minutes": 0.01}
        report = tk.benchmark(FILES, target="adb", app=folder / "demo.apk", **options)
    finally:
        for phone in phones:
            server.adb("disconnect", phone.serial)
            phone.close()
    return Measured(report, phones, folder / "demo.apk", folder / "written-0")


@pytest.fixture
def recorded(measured: Measured) -> str:
    """The script of an app that leaves what another has measured, when it is told how far it is (see `drive`)."""
    begin = 'rm -f "$STATE/told"; mkdir -p "$1/runs/$9"; echo "3 15 int8" > "$1/runs/$9/progress"'
    waits = '[ ! -e "$STATE/waits" ] || until [ -e "$STATE/told" ]; do sleep 0.1; done'
    return (
        f'{begin}; {waits}; cp {shlex.quote(str(measured.written))}/* "$1/runs/$9/"; touch "$1/runs/$9/done"; sleep 600'
    )


@pytest.fixture
def apk(tmp_path: Path) -> Path:
    path = tmp_path / "demo.apk"
    path.write_bytes(b"an app")
    return path


def drive(phone: Phone, folder: Path, *, tell: Callable[[str], None] = lambda words: None, **how: object) -> object:
    """Runs all on one phone with a bundle of the files; a `recorded` app waits until each progress was told."""

    def told(words: str) -> None:
        tell(words)
        phone.say(told=words)

    phone.say(waits="")
    folder.mkdir(exist_ok=True)
    runs = PhoneRuns(phone.folder.parent / "bundle", BenchmarkOptions(**{"runs": 30, **how}))
    return runs.on(Adb(), phone.serial, folder, threading.Event(), told, None)


def fails(phone: Phone, folder: Path, **how: object) -> TflitekitError:
    with pytest.raises(TflitekitError) as caught:
        drive(phone, folder, **how)
    assert caught.value.fix or caught.value.why
    return caught.value


def test_two_phones_from_the_installation_to_the_report(measured: Measured) -> None:
    for row in measured.report.variants:
        others = [one for one in row.other_latencies if one.counts]
        assert {row.latency.target, *(one.target for one in others)} == {
            "android:Paper 1 (Android 15)",
            "android:Paper 2 (Android 14)",
        }
        assert row.latency.threads == 2 and row.latency.protocol == "quick, 30 runs"
        assert row.latency.median_ms >= others[0].median_ms  # the slower phone decides
        assert row.latency.low_ms <= row.latency.value_ms <= row.latency.high_ms
        assert [(check.samples, check.identical, check.deviation) for check in row.on_targets] == [(8, 8, 0)] * 2
    assert measured.report.variant("int8").latency.ratio.baseline == "float32"
    for phone in measured.phones:
        assert phone.state.joinpath("installed.apk").read_bytes() == measured.apk.read_bytes()
        assert [list(phone.files.joinpath(name).iterdir()) for name in ("bundles", "runs")] == [
            [],
            [],
        ]  # nothing is left


def test_load_over_minutes_with_heat_battery_and_energy(measured: Measured) -> None:
    schema = json.loads((ROOT / "docs" / "report.schema.json").read_text())
    Draft202012Validator(schema).validate(json.loads((measured.written / "report.json").read_text()))
    for row in measured.report.variants:
        load = row.sustained
        assert load.target == row.latency.target
        assert load.energy.meter == "current and voltage of the battery" and load.energy.coarse
        assert load.energy.idle_watts == pytest.approx(3.2)  # what the stand-in's battery tells
        told = describe(load)
        assert (
            "battery 81 to 81 %" in told and "29.5 to 29.5 °C, thermal status 'none'" in told and "an inference" in told
        )


def test_optimize_asks_the_phone_and_keeps_its_answer(plug, core, shapes, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(lints, "_WIDE", math.inf)  # what a busy machine makes uncertain would be measured again
    (tmp_path / "written").mkdir()
    phone = plug(app=running_core(core, "Paper 1 (Android 15)", tmp_path / "written"))
    out, target = tmp_path / "out", f"adb:{phone.serial}"
    optimize_converted("shapes", shapes, out, target=target, protocol="benchmark-model")
    report = read_report(out)
    assert {row.latency.target for row in report.variants} == {"android:Paper 1 (Android 15)"}
    chosen = report.variant(report.recommendation.chosen)
    assert chosen.latency.samples is not None
    started = phone.started()
    rows = [row.model_copy(update={"latency": None, "on_targets": ()}) for row in report.variants]
    variants = [load_variant(out / row.file)[0] for row in report.variants]
    with open_target(target) as place:
        how = BenchmarkOptions(protocol="benchmark-model")
        data = open_dataset(shapes / "test", need_labels=False)
        again, _ = measure_variants(
            rows, variants, place, how, "float32", Progress(), cache=out / ".tflitekit", data=data
        )
    assert [row.latency for row in again] == [row.latency for row in report.variants]
    assert phone.started() == started


def test_a_phone_that_is_unplugged_goes_on_and_its_result_is_fetched(
    plug, recorded, server, tmp_path, monkeypatch
) -> None:
    phone = plug(app=recorded)
    cut = threading.Event()

    def unplug(words: str) -> None:
        if words.startswith("measuring") and not cut.is_set():
            cut.set()
            phone.unplug()

    with monkeypatch.context() as patch:
        patch.setattr(driver, "BACK_S", 0.5)
        error = fails(phone, tmp_path / "first", tell=unplug)
    assert "was disconnected while it measured" in str(error) and "run the same command" in str(error)
    phone.plug_in()
    server.adb("disconnect", phone.serial)
    server.adb("connect", phone.serial)
    started = phone.started()
    found = drive(phone, tmp_path / "second")
    assert phone.started() == started  # nothing was measured twice
    assert {row.name for row in found.reports[0].variants} == {"float32", "int8"}
    assert found.verification.passed


def test_a_cable_that_wobbles_is_no_failure(plug, recorded, server, tmp_path) -> None:
    phone = plug(app=recorded)
    cut = threading.Event()

    def plug_in_again() -> None:
        time.sleep(0.3)
        phone.plug_in()
        server.adb("connect", phone.serial)

    def tell(words: str) -> None:
        if words.startswith("verifying") and not cut.is_set():
            cut.set()
            phone.unplug()
            server.until(phone, "offline")
            threading.Thread(target=plug_in_again).start()

    found = drive(phone, tmp_path / "files", tell=tell)
    assert cut.is_set() and found.verification.passed


def test_one_of_two_phones_fails(plug, recorded, cli) -> None:
    plug(app=recorded)
    bad = plug(app="exit 3")
    code, printed, said = cli("benchmark", *FILES, "--target", "adb")
    assert code == 0, said
    words = " ".join(printed.split())
    assert "android:Paper 1 (Android 15)" in words and "this host say" not in words
    assert "8 of 8 samples identical to this host" in words
    assert f"({bad.serial}) was closed before the run had ended" in words
    bad.say(app="exit 4")
    code, _, said = cli("benchmark", *FILES, "--target", f"adb:{bad.serial},nowhere")
    assert code == 2 and "None of 2 phones has a result" in said and "nowhere" in said


def test_a_file_that_cannot_be_bundled_leaves_the_others_measured(plug, recorded, tmp_path) -> None:
    plug(app=recorded)
    batches = Path(shutil.copy(SHAPES.parent / "shapes_batch" / "float32.tflite", tmp_path / "batches.tflite"))
    report = tk.benchmark([batches, *FILES], target="adb")
    (note,) = (one for one in report.variant("batches").warnings if one.kind == "latency-not-measured")
    assert "takes batches" in note.message and "--batch 1" in note.advice
    assert report.variant("batches").latency is None
    assert all(report.variant(name).latency.counts for name in ("float32", "int8"))
    with pytest.raises(TflitekitError, match="takes batches"):
        tk.benchmark([batches], target="adb")
    opened = open_shapes(FILES[0], tmp_path / "opened.tflite", 0, 1, 2)
    with pytest.raises(TflitekitError, match="leaves the size of its input 'image' open"):
        tk.benchmark([opened], target="adb", input_shapes={"image": (12, 12, 1)})


def test_what_a_variant_computes_otherwise_is_told(measured) -> None:
    verification = json.loads((measured.written / "verification.json").read_text())
    run = next(run for run in verification["runs"] if run["variant"] == "int8")
    run["samples"][2]["output_difference"] = run["output_difference"] = 0.25
    run["verdict"] = "failed"
    verification["images"] = [{"sample": name, "verdict": name} for name in ("passed", "failed", "not_judged")]
    phone = OnPhone(reports=(read_report(measured.written / "report.json"),), verification=verification)
    found = joined({"A": phone, "B": phone}, [DeviceError("C is gone.", fix="Fetch it.")])
    first, second = found.checks["int8"]
    assert (first.samples, first.identical, first.deviation) == (8, 7, 0.25)
    assert (first.target, second.target) == ("android:Paper 1 (Android 15), A", "android:Paper 1 (Android 15), B")
    assert [report.variants[0].latency.target for report in found.reports] == [first.target, second.target]
    assert [doubt.kind for doubt in found.doubts] == ["phone-not-measured"] + ["not-as-on-host"] * 4
    assert "int8 does not compute what this host computes: the output" in found.doubts[1].message
    assert "1 of 3 golden images become other pixels" in found.doubts[2].message


def test_faults_of_an_app_that_runs(plug, tmp_path, monkeypatch) -> None:
    """Each is told, the run is removed, and the next attempt begins anew."""
    begin = 'mkdir -p "$1/runs/$9"; echo "3 15 int8" > "$1/runs/$9/progress"; '
    cases = {
        begin + 'printf "The runtime\\n-- it says --\\nrefuses it." > "$1/half"; mv "$1/half" "$1/runs/$9/failed"; sleep 600': ("could not measure", "The runtime\n-- it says --\nrefuses it."),
        begin + "exit 1": ("was closed before the run had ended", "for want of memory"),
        begin + "sleep 600": ("has not gone on for 1 s", "'3 15 int8'"),
        begin + 'cd "$1/runs/$9"; echo "{" > verification.json; echo "{" > report.json; touch done; sleep 600':
            ("left a result that cannot be read", "JSON"),
    }  # fmt: skip
    phone = plug()
    for number, (script, (what, why)) in enumerate(cases.items()):
        with monkeypatch.context() as patch:

            def begun(words: str, patch: pytest.MonkeyPatch = patch, silent: bool = "for 1 s" in what) -> None:
                if silent and "int8" in words:
                    patch.setattr(driver, "SILENT_S", 1.0)

            phone.say(app=script)
            error = fails(phone, tmp_path / str(number), tell=begun)
        assert what in error.what and why in str(error.why)
        assert [*(phone.files / "runs").iterdir(), *(phone.files / "bundles").iterdir()] == []


def _without_runs(verification: Any, report: Any) -> None:
    verification["runs"] = "none"


def _without_hash(verification: Any, report: Any) -> None:
    del verification["runs"][0]["sha256"]


def _of_another_file(verification: Any, report: Any) -> None:
    verification["runs"][0]["sha256"] = "0" * 64


def _of_an_unknown_variant(verification: Any, report: Any) -> None:
    verification["runs"][0]["variant"] = "\x1b[2J"


def _measured_another_file(verification: Any, report: Any) -> None:
    report["variants"][1]["sha256"] = "0" * 64


def _without_latencies(verification: Any, report: Any) -> None:
    for row in report["variants"]:
        row["latency"] = None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_without_runs, "left a result that cannot be read.*malformed at runs"),
        (_without_hash, "left a result that cannot be read.*sha256"),
        (_of_another_file, "of another bundle than it was sent: its 'float32' is another file"),
        (_of_an_unknown_variant, "of another bundle than it was sent"),
        (_measured_another_file, "of another bundle than it was sent: its 'int8' is another file"),
        (_without_latencies, "left a report without latencies"),
    ],
)
def test_what_a_phone_wrote_is_checked_against_what_it_was_sent(
    plug, measured, tmp_path, change: Callable[[Any, Any], None], said: str
) -> None:
    written = {name: json.loads((measured.written / f"{name}.json").read_text()) for name in ("verification", "report")}
    change(written["verification"], written["report"])
    for name, content in written.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    copied = shlex.join(map(str, tmp_path.glob("*.json")))
    phone = plug(app=f'mkdir -p "$1/runs/$9"; cp {copied} "$1/runs/$9/"; touch "$1/runs/$9/done"; sleep 600')
    error = fails(phone, tmp_path / "files")
    assert re.search(said, str(error), re.DOTALL) and "Run this again" in str(error.fix)
    assert list((phone.files / "runs").iterdir()) == []


def test_phones_that_cannot_take_the_app(plug, apk, tmp_path) -> None:
    phone = plug(installed=False)
    assert isinstance(fails(phone, tmp_path / "0"), MissingDependencyError)
    assert "build_apk.py" in str(fails(phone, tmp_path / "0").fix)
    for code, what in (
        ("INSTALL_FAILED_UPDATE_INCOMPATIBLE: signatures do not match", "signed with another key"),
        ("INSTALL_FAILED_NO_MATCHING_ABIS: Failed to extract native libraries", "holds no runtime"),
        ("INSTALL_FAILED_VERSION_DOWNGRADE", "newer version"),
        ("INSTALL_FAILED_OLDER_SDK", "too old"),
        ("INSTALL_FAILED_USER_RESTRICTED: Install canceled by user", "did not allow"),
        ("INSTALL_FAILED_INSUFFICIENT_STORAGE", "no room left"),
        ("INSTALL_FAILED_SOMETHING_NEW", "refused the installation"),
    ):
        phone.say(install=f"Failure [{code}]")
        error = fails(phone, tmp_path / "1", app=apk)
        assert what in error.what and code in str(error.why)
        assert "{serial}" not in str(error)
    phone.say(install="Success", apk_version="1")
    assert (
        f"version 1 of the kit's app, and this kit needs {driver.VERSION}" in fails(phone, tmp_path / "2", app=apk).what
    )
    phone.say(version="1")
    assert "has version 1 of the kit's app" in fails(phone, tmp_path / "3").what
    phone.prop("ro.product.cpu.abilist", "riscv64")
    assert "riscv64" in fails(phone, tmp_path / "4", app=apk).what
    phone.prop("ro.build.version.sdk", "23")
    phone.prop("ro.build.version.release", "6.0")
    assert "Android 6.0" in fails(phone, tmp_path / "5", app=apk).what


def test_a_locked_phone_and_a_full_one(plug, tmp_path) -> None:
    phone = plug()
    (phone.state / "dumpsys" / "window").write_text(
        "    KeyguardServiceDelegate\n      showing=true\n      occluded=false\n"
    )
    assert "is locked" in fails(phone, tmp_path / "0").what
    (phone.state / "dumpsys" / "window").write_text("      showing=false\n      showingAndNotOccluded=true\n")
    phone.full = 1000
    error = fails(phone, tmp_path / "1")
    assert "has no room left" in error.what and "No space left on device" in str(error.why)
    assert not list((phone.files / "bundles").iterdir())


def test_states_of_the_connection(plug, server, cli, monkeypatch) -> None:
    assert "No phone is connected" in cli("benchmark", *FILES, "--target", "adb")[2]
    assert "The phone nowhere is not connected" in cli("benchmark", *FILES, "--target", "adb:nowhere")[2]
    phone = plug()
    phone.unplug()
    server.until(phone, "offline")
    assert "connected but does not answer" in cli("benchmark", *FILES, "--target", f"adb:{phone.serial}")[2]
    server.adb("disconnect", phone.serial)
    with monkeypatch.context() as patch:
        patch.setenv("ADB_SERVER_SOCKET", "tcp:host.invalid:5037")
        said = cli("benchmark", *FILES, "--target", "adb")[2]
        assert "'adb devices' failed" in said and "failed to resolve host" in said
    plug(mode="unauthorized")
    said = cli("benchmark", *FILES, "--target", "adb")[2]
    assert "has not allowed this computer to debug it" in said and "Allow USB debugging" in said
    assert "emulator-5554 is an emulator" in cli("benchmark", *FILES, "--target", "adb:emulator-5554")[2]
    monkeypatch.setenv("PATH", "/nowhere")
    code, _, said = cli("benchmark", *FILES, "--target", "adb")
    assert code == 2 and "The program 'adb'" in said and "apt-get install adb" in said


def test_what_phones_do_not_do_is_refused(plug, cli) -> None:
    plug()
    assert (
        "does not have the protocol 'mlperf-tiny'"
        in cli("benchmark", *FILES, "--target", "adb", "--protocol", "mlperf-tiny")[2]
    )
    assert "--profile is not possible" in cli("benchmark", *FILES, "--target", "adb", "--profile")[2]
    assert "--app has no effect on the target 'host'" in cli("benchmark", *FILES, "--app", "nowhere.apk")[2]
    assert "no file nowhere.apk" in cli("benchmark", *FILES, "--target", "adb", "--app", "nowhere.apk")[2]


def test_the_app_has_the_version_that_is_needed() -> None:
    settings = read_settings()
    assert settings.version_code >= driver.VERSION
    assert settings.application_id == driver.PACKAGE
    assert settings.min_sdk == driver.OLDEST_SDK
    assert set(settings.abis) == set(driver.ABIS)


def test_ctrl_c_ends_the_app(plug, tmp_path) -> None:
    phone = plug(app='mkdir -p "$1/runs/$9"; echo "0 1 x" > "$1/runs/$9/progress"; sleep 600')
    stopped = threading.Event()
    runs = PhoneRuns(tmp_path / "bundle", BenchmarkOptions())
    with pytest.raises(DeviceError, match="was stopped"):
        runs.on(
            Adb(), phone.serial, tmp_path, stopped, lambda words: stopped.set() if "verifying" in words else None, None
        )
    assert not (phone.state / "pid").exists()
