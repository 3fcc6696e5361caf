"""Environments of unpacked packages, made by the real apt, pip and npm from packages that lie on this disk."""

import hashlib
import json
import shutil
import signal
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from tflitekit.cli import installation
from tflitekit.core.errors import MissingDependencyError, StorageError
from tflitekit.core.progress import Progress
from tflitekit.environments import environment, set_up
from tflitekit.environments.debian import DebianPackages
from tflitekit.environments.npm import NpmPackages
from tflitekit.environments.unpacked import UnpackedEnvironment
from tflitekit.environments.wheels import Wheels

ROOT = Path(__file__).resolve().parents[2]
needs_apt = pytest.mark.skipif(not shutil.which("apt-get") or not shutil.which("dpkg-deb"), reason="no apt")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "cache_folder", lambda: tmp_path / "cache")


def made_of(*parts, main=()):
    return UnpackedEnvironment("test", "tests", 1e3, parts, main)


def debian_package(folder, name, architecture, files, *, needs=""):
    tree = folder / f"{name}.tree"
    for path, content in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(content)
    (tree / "DEBIAN").mkdir()
    control = f"Package: {name}\nVersion: 1:2.0+{architecture}\nArchitecture: {architecture}\nMaintainer: Nobody <nobody@example.org>\n"
    control += f"Depends: {needs}\n" if needs else ""
    (tree / "DEBIAN" / "control").write_text(control + "Description: for a test\n")
    package = folder / f"{name}.deb"
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", tree, package], check=True, capture_output=True)
    shutil.rmtree(tree)
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    return (
        control
        + f"Filename: ./{package.name}\nSize: {package.stat().st_size}\nSHA256: {digest}\nDescription: for a test\n"
    )


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """A source of packages for an architecture that this machine does not have, and for its own."""
    folder = tmp_path / "archive"
    folder.mkdir()
    own = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()
    entries = [
        debian_package(folder, "tool", "s390x", {"usr/bin/tool": "tool", "usr/lib/part": "part"}, needs="needed"),
        debian_package(folder, "needed", "s390x", {"usr/lib/needed.so": "needed"}),
        debian_package(folder, "driver", own, {"usr/lib/driver.so": "driver", "usr/share/large": "0" * 9999}, needs="absent"),
    ]  # fmt: skip
    (folder / "Packages").write_text("\n".join(entries))
    (tmp_path / "sources.list").write_text(f"deb [trusted=yes] copy:{folder} ./\n")
    (tmp_path / "apt.conf").write_text(
        f'Dir::Etc::sourcelist "{tmp_path}/sources.list";\nDir::Etc::sourceparts "-";\n'
        f'APT::Update::Post-Invoke {{ "touch {tmp_path}/hook"; }};\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    return folder


FOREIGN = DebianPackages("foreign", ("tool",), architecture="s390x")
DRIVER = DebianPackages("driver", ("driver",), files=("usr/lib/driver.so",))


@needs_apt
def test_debian_packages_of_another_architecture_and_a_few_files_of_another_package(archive, tmp_path):
    both = made_of(FOREIGN, DRIVER, main=("tool", "driver"))
    assert both.status().state == "missing"
    assert set_up(both, Progress()) is True
    assert both.status().versions["tool"] == "1:2.0+s390x" and both.status().state == "ready"
    files = {str(path.relative_to(both.folder)) for path in both.folder.rglob("*") if path.is_file()}
    assert files == {
        "tflitekit.json", "foreign/.tflitekit.json", "driver/.tflitekit.json",
        "foreign/usr/bin/tool", "foreign/usr/lib/part", "foreign/usr/lib/needed.so", "driver/usr/lib/driver.so",
    }  # fmt: skip
    assert (both.folder / "foreign" / "lib" / "needed.so").read_text() == "needed"  # where loaders look for it
    assert set_up(both, Progress()) is False
    assert not (tmp_path / "hook").exists()  # nothing of the system was updated
    assert not list(both.folder.parent.glob("setup-*"))


@needs_apt
def test_a_setup_that_failed_goes_on_where_it_stopped_and_mends_what_is_broken(archive):
    shutil.move(archive / "driver.deb", archive / "elsewhere")
    both = made_of(FOREIGN, DRIVER)
    with pytest.raises(MissingDependencyError, match="environment for tests could not be made") as error:
        set_up(both, Progress())
    assert "driver.deb" in error.value.why and "All that it said" in error.value.why
    assert both.status().state == "unfinished"
    first = (both.folder / "foreign").stat().st_ino
    shutil.move(archive / "elsewhere", archive / "driver.deb")
    assert set_up(both, Progress()) is True
    assert (both.folder / "foreign").stat().st_ino == first
    (both.folder / "driver" / "usr" / "lib" / "driver.so").write_text("")
    assert both.status().state == "broken" and "driver.so is missing or was changed" in both.status().why
    with pytest.raises(
        MissingDependencyError, match=r"The target needs the environment 'test', which is broken"
    ) as error:
        both.require("The target")
    assert error.value.fix == "Run 'tflitekit setup test' (0 MB)."
    assert set_up(both, Progress()) is True and both.status().state == "ready"
    newer = made_of(FOREIGN, replace(DRIVER, files=("usr/share/large",)))
    assert newer.status().state == "outdated"
    assert set_up(newer, Progress()) is True
    assert [path.name for path in (newer.folder / "driver" / "usr").iterdir()] == ["share"]
    assert (both.folder / "foreign").stat().st_ino == first


_KILLED = """
import os, signal, sys
from pathlib import Path
from tflitekit.core.progress import Progress
from tflitekit.environments import environment, set_up
from tflitekit.environments.unpacked import UnpackedEnvironment

class Killing:
    into, wanted = "second", dict

    def install(self, folder, beside, workshop):
        (folder / "half").write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)

class First:
    into, wanted = "first", dict

    def install(self, folder, beside, workshop):
        (folder / "whole").write_text("whole")
        return {}

environment.cache_folder = lambda: Path(sys.argv[1])
set_up(UnpackedEnvironment("test", "tests", 1e3, (First(), Killing()), ()), Progress())
"""


@needs_apt
def test_what_a_killed_setup_left_is_not_taken_for_whole(archive, tmp_path):
    both = made_of(replace(FOREIGN, into="first"), replace(DRIVER, into="second"))
    killed = subprocess.run([sys.executable, "-c", _KILLED, tmp_path / "cache"], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (both.folder / "first" / "whole").exists() and not (both.folder / "second").exists()
    assert both.status().state == "unfinished"
    assert set_up(both, Progress()) is True and both.status().state == "ready"
    assert not (both.folder / "first" / "whole").exists()  # it was made of other packages
    assert not list(both.folder.parent.glob("setup-*"))


@needs_apt
def test_packages_that_are_not_there_are_named(archive):
    with pytest.raises(MissingDependencyError, match="Unable to locate package no-such-tool"):
        set_up(made_of(replace(FOREIGN, packages=("no-such-tool",))), Progress())
    with pytest.raises(MissingDependencyError, match=r"usr/lib/other\.so: Not found in archive"):
        set_up(made_of(replace(DRIVER, files=("usr/lib/other.so",))), Progress())


def test_machines_without_the_installers(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingDependencyError, match=r"needs apt-get, and there is none\.\nInstall apt and dpkg"):
        set_up(made_of(FOREIGN), Progress())
    with pytest.raises(MissingDependencyError, match=r"needs npm, and there is none\.\nInstall Node\.js"):
        set_up(made_of(NpmPackages("web", {"x": "1.0.0"})), Progress())
    with pytest.raises(StorageError, match=r"takes 1000000000\.0 GB"):
        set_up(replace(made_of(FOREIGN), size_bytes=1e18), Progress())


@pytest.mark.skipif(not shutil.which("npm"), reason="no npm")
def test_npm_packages(tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    (package / "index.js").write_text("module.exports = 1;\n")
    scripts = {"postinstall": f"touch {tmp_path}/script"}
    (package / "package.json").write_text(json.dumps({"name": "mine", "version": "3.2.1", "scripts": scripts}))
    packed = subprocess.run(["npm", "pack", "--silent"], cwd=package, capture_output=True, text=True, check=True)
    web = made_of(NpmPackages("web", {"mine": f"file:{package}/{packed.stdout.strip()}"}), main=("mine",))
    assert set_up(web, Progress()) is True
    assert (web.folder / "web" / "node_modules" / "mine" / "index.js").read_text() == "module.exports = 1;\n"
    assert web.status().state == "ready" and not (tmp_path / "script").exists()


@dataclass(frozen=True)
class FakePython:
    """A part with a Python that is never started: wheels are for its version."""

    into: str = "root"

    def wanted(self):
        return {}

    def install(self, folder, beside, workshop):
        del beside, workshop
        (folder / "python3.11").write_text("")
        (folder / "python3").symlink_to("python3.11")
        return {}


def test_wheels_of_another_machine(tmp_path, monkeypatch):
    wheel = tmp_path / "mine-1.5-cp311-cp311-manylinux2014_s390x.whl"
    info = "mine-1.5.dist-info"
    with zipfile.ZipFile(wheel, "w") as content:
        content.writestr("mine.py", "x = 1\n")
        content.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: mine\nVersion: 1.5\nRequires-Dist: absent\n")
        content.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp311-cp311-manylinux2014_s390x\n"
        )
        content.writestr(f"{info}/RECORD", f"mine.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    (tmp_path / "pins.txt").write_text("mine==1.5\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))  # no uv
    wheels = Wheels(
        "wheels", tmp_path / "pins.txt", ("manylinux2014_s390x",), "s390x-unknown-linux-gnu", "root/python3"
    )
    mine = made_of(FakePython(), wheels, main=("mine",))
    assert set_up(mine, Progress()) is True
    assert (mine.folder / "wheels" / "mine.py").read_text() == "x = 1\n" and mine.status().versions == {"mine": "1.5"}
    (tmp_path / "pins.txt").write_text("mine==1.6\n")
    assert mine.status().state == "outdated"
    with pytest.raises(MissingDependencyError, match="could not be made") as error:
        set_up(mine, Progress())
    assert "mine==1.6" in error.value.why


def test_a_cache_folder_that_cannot_be_written_says_how_to_take_another(tmp_path):
    (tmp_path / "cache").touch()
    with pytest.raises(StorageError, match="Cannot write") as error:
        set_up(made_of(FOREIGN, main=("tool",)), Progress())
    assert "XDG_CACHE_HOME" in error.value.fix and "--out" not in error.value.fix


def test_setup_lists_all_environments_and_names_them_where_there_is_none_of_a_name(cli):
    code, out, _ = cli("setup")
    assert code == 0
    for name in ("onnx", "torch", "arm64", "gpu"):
        assert name in out
    assert "missing" in out and "tflitekit setup NAME" in out
    code, _, err = cli("setup", "onx")
    assert code == 2 and "There is no environment 'onx'" in err and "arm64" in err


def test_doctor_says_of_each_extra_what_is_missing(cli, monkeypatch):
    def version(name):
        if name in ("fsspec", "psycopg"):
            raise PackageNotFoundError(name)
        return {"distributed": "0.1", "sqlalchemy": "2.5"}.get(name, "2026.1")

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    lines = [f"{wanted}; extra == '{name}'" for name, required in extras.items() for wanted in required]
    monkeypatch.setattr(installation, "requires", lambda name: lines)
    monkeypatch.setattr(installation, "version", version)
    _, out, _ = cli("doctor", "--json")
    found = {each["name"]: (each["missing"], each["command"]) for each in json.loads(out)["extras"]}
    assert found["cluster"] == (["distributed>=2025.1"], "pip install 'tflitekit[cluster]'")
    assert found["remote"] == (["fsspec>=2024.9"], "pip install 'tflitekit[remote]'")
    assert [name[:7] for name in found["store"][0]] == ["alembic"]  # 2026 is no version 1
    assert [name[:7] for name in found["postgresql"][0]] == [
        "alembic",
        "psycopg",
    ]  # the first of the extra store, which it takes along
    _, out, _ = cli("doctor")
    assert "distributed>=2025.1: pip install" in " ".join(out.split())


def test_doctor_lists_the_programs_that_targets_need(cli, monkeypatch, tmp_path):
    for name in ("adb", "ssh"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("TFLITEKIT_BROWSER", raising=False)
    _, out, _ = cli("doctor", "--json")
    found = {each["name"]: each for each in json.loads(out)["programs"]}
    assert (found["adb"]["state"], found["adb"]["path"]) == ("ready", str(tmp_path / "adb"))
    assert found["ssh"]["path"] == str(tmp_path / "ssh")
    (tmp_path / "adb").unlink()
    for home in ("ANDROID_HOME", "ANDROID_SDK_ROOT"):
        monkeypatch.delenv(home, raising=False)
    _, out, _ = cli("doctor")
    assert "the target adb: phones" in out and "apt-get install adb" in " ".join(out.split())
