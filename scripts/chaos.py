"""Kills real commands at seeded moments, takes their disk away, and looks at what is left: ``python scripts/chaos.py``.

After each disturbance: the exit code is right, one sentence says what happened, no file is half, no process and no
temporary file is left, and the same command run again finishes and gives what an undisturbed one gives. Linux only;
as root half of the disks are small file systems, else all limits are limits on the size of files.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MARK = "TFLITEKIT_CHAOS"
_MODEL = """
import sys, keras
keras.utils.set_random_seed(1)
layers = keras.layers
model = keras.Sequential([keras.Input((8, 8, 1), name="image"), layers.Conv2D(8, 3, activation="relu"), layers.Flatten(),
                          layers.Dense(10, activation="softmax")])
model.save(sys.argv[1])
"""
_COMMANDS = {
    "convert": "convert {base}/model.keras --scheme float32,dynamic_range --out {out}/o",
    "optimize": "optimize {base}/model.keras --data {base}/digits/test --preprocess 0-1 --limit 60 "
    "--scheme float32,dynamic_range --out {out}/o",
    "evaluate": "evaluate {base}/built/float32.tflite {base}/built/dynamic_range.tflite --data {base}/digits/test --json",
    "benchmark": "benchmark {base}/built/float32.tflite --runs 200 --out {out}/o",
    "bundle": "bundle {base}/built --data {base}/digits/test --out {out}/o",
    "report": "report {out}/o",
}
_OFTEN = ["convert", "optimize", *["evaluate", "benchmark", "bundle", "report"] * 2]
"""What begins with a conversion takes ten times as long."""
_GONE_S = 30.0
_LEAST_LIMIT, _MOST_LIMIT = 512, 300_000


@dataclass
class Ended:
    code: int
    out: str
    err: str
    seconds: float


@dataclass
class Expected:
    """What an undisturbed run gives."""

    code: int
    result: Any
    seconds: float


class Place:
    """The base that all runs share, and a folder for each run."""

    def __init__(self, folder: Path) -> None:
        self.base, self.out, self.tmp = folder / "base", folder / "run", folder / "tmp"
        for path in (self.base, self.out, self.tmp):
            path.mkdir(parents=True, exist_ok=True)
        self.environment = os.environ | {
            "TMPDIR": str(self.tmp), "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow", _MARK: str(folder),
        }  # fmt: skip

    def prepare(self) -> None:
        from tflitekit.optimization.quickstart import write_digits

        write_digits(self.base / "digits")
        subprocess.run([sys.executable, "-c", _MODEL, self.base / "model.keras"], check=True, capture_output=True)
        built = _COMMANDS["optimize"].replace("{out}/o", "{base}/built").format(base=self.base)
        subprocess.run(_python(built), env=self.environment, check=False, capture_output=True)

    def begin(self, name: str) -> None:
        for entry in self.out.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        if name == "report":
            (self.out / "o").mkdir()
            shutil.copy(self.base / "built" / "report.json", self.out / "o")

    def run(self, name: str, disturb: Callable[[subprocess.Popen[str]], None] | None = None, limit: int = 0) -> Ended:
        def limited() -> None:
            signal.signal(signal.SIGINT, signal.default_int_handler)  # also where this script runs in the background
            if limit:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        start = time.monotonic()
        command = _python(_COMMANDS[name].format(base=self.base, out=self.out))
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:  # a limit holds for files only
            process = subprocess.Popen(
                command, env=self.environment, stdout=out, stderr=err, text=True,
                start_new_session=True, preexec_fn=limited,  # noqa: PLW1509 - this script has one thread
            )  # fmt: skip
            if disturb is not None:
                disturb(process)
            process.wait()
            out.seek(0)
            err.seek(0)
            return Ended(process.returncode, out.read(), err.read(), time.monotonic() - start)

    def result(self, name: str, ended: Ended) -> Any:
        """Returns what has to be the same in every run."""
        out = self.out / "o"
        if name == "evaluate":
            return json.loads(ended.out)
        if name == "bundle":
            return _sha256(self.out / "o.zip")
        if name == "report":
            return {path.name: _sha256(path) for path in sorted(out.glob("report.*"))}
        if name == "convert":
            return {path.name: _sha256(path) for path in sorted(out.glob("*.tflite"))}
        variants = json.loads((out / "report.json").read_text(encoding="utf-8"))["variants"]
        return [{key: row[key] for key in ("name", "status", "sha256", "accuracy", "drop")} for row in variants]


def _python(command: str) -> list[str]:
    return [sys.executable, "-m", "tflitekit", *command.split()]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def half_files(folder: Path) -> list[str]:
    """Returns the files that are not whole."""
    found = []
    for path in folder.rglob("*"):
        if ".tflitekit" in path.parts or any(part.startswith(".bundle-") for part in path.parts):
            continue  # the kit's own work, which the next run judges
        if path.suffix == ".json":
            try:
                content = json.loads(path.read_text(encoding="utf-8"))
            except ValueError:
                found.append(f"{path}: no JSON")
                continue
            model = path.with_suffix(".tflite")
            if model.is_file() and isinstance(content, dict) and content.get("sha256") not in (None, _sha256(model)):
                found.append(f"{model}: not the one of its sidecar")
        elif path.suffix == ".html" and not path.read_text(encoding="utf-8").rstrip().endswith("</html>"):
            found.append(f"{path}: cut off")
        elif path.suffix == ".zip" and zipfile.ZipFile(path).testzip() is not None:
            found.append(f"{path}: damaged")
    return found


def leftovers(place: Place, *, killed: bool) -> list[str]:
    """Returns temporary files; those of killed runs are for the next run to remove."""
    partial = [path for path in place.out.rglob(".*") if path.name.startswith((".partial-", ".bundle-"))]
    return [] if killed else [f"{path} is left" for path in (*place.tmp.iterdir(), *partial)]


def processes(place: Place) -> list[str]:
    """Returns the processes that still live after some time."""
    mark = f"{_MARK}={place.environment[_MARK]}".encode()
    deadline = time.monotonic() + _GONE_S
    while True:
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(f"process {entry.name} lives: {(entry / 'cmdline').read_bytes()[-200:]!r}")
            except OSError:
                continue
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


def said(ended: Ended, expected: int, codes: set[int], word: str) -> list[str]:
    """Judges exit code and message of a run that may have been disturbed."""
    faults = []
    if ended.code not in codes | {expected}:
        faults.append(f"exit code {ended.code}, not one of {sorted(codes | {expected})}")
    unready = ended.code < 0 and "tflitekit/cli" not in ended.err  # the interpreter had not begun with the kit
    if "Traceback" in ended.err and not unready:
        faults.append(f"a traceback:\n{ended.err}")
    if ended.code > 0 and ended.code != expected and ended.err.count(word) != 1:
        faults.append(f"'{word}' stands {ended.err.count(word)} times in:\n{ended.err}")
    if "Exception ignored" in ended.err:
        faults.append(f"noise at the end:\n{ended.err}")
    return faults


def kill(place: Place, name: str, expected: Expected, generator: random.Random) -> tuple[str, list[str]]:
    number = generator.choice((signal.SIGKILL, signal.SIGTERM, signal.SIGINT))
    moment = generator.uniform(0.2, expected.seconds)

    def disturb(process: subprocess.Popen[str]) -> None:
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            process.send_signal(number)

    ended = place.run(name, disturb)
    codes = {-number} if number == signal.SIGKILL else {128 + number, -number}
    faults = said(ended, expected.code, codes, "Stopped.")
    faults += processes(place) + half_files(place.out) + leftovers(place, killed=ended.code < 0)
    return f"{number.name} after {moment:.1f} s: {ended.code}", faults


def limit_size(place: Place, name: str, expected: Expected, generator: random.Random) -> tuple[str, list[str]]:
    limit = int(_LEAST_LIMIT * (_MOST_LIMIT / _LEAST_LIMIT) ** generator.random())
    ended = place.run(name, limit=limit)
    faults = said(ended, expected.code, {2}, "Error:")
    faults += processes(place) + half_files(place.out) + leftovers(place, killed=False)
    return f"files of at most {limit} bytes: {ended.code}", faults


def limit_disk(place: Place, name: str, expected: Expected, generator: random.Random) -> tuple[str, list[str]]:
    place.begin("")
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place.out], check=True)
    place.begin(name)
    used = sum(path.stat().st_blocks * 512 for path in place.out.rglob("*"))
    free = 4096 * generator.randint(1, 80)
    _resize(place.out, used + free)
    ended = place.run(name)
    faults = said(ended, expected.code, {2}, "Error:")
    faults += processes(place) + half_files(place.out) + leftovers(place, killed=False)
    _resize(place.out, used + (100 << 20))
    return f"a disk with {free} bytes free: {ended.code}", faults


def _resize(mounted: Path, size_bytes: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size_bytes}", mounted], check=True)


def again(place: Place, name: str, expected: Expected) -> list[str]:
    """Runs the command once more, undisturbed."""
    ended = place.run(name)
    if ended.code != expected.code:
        return [f"the next run: exit code {ended.code}:\n{ended.err}"]
    faults = [] if place.result(name, ended) == expected.result else ["the next run gives something else"]
    return faults + processes(place) + half_files(place.out) + leftovers(place, killed=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--limits", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--commands", default=",".join(_OFTEN), help="What is disturbed, with commas.")
    arguments = parser.parse_args()
    commands = arguments.commands.split(",")
    kinds = [limit_size, limit_disk] if os.geteuid() == 0 else [limit_size]
    faults = 0
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        place = Place(Path(folder))
        place.prepare()
        expected = {}
        for name in dict.fromkeys(commands):
            place.begin(name)
            ended = place.run(name)
            expected[name] = Expected(ended.code, place.result(name, ended), ended.seconds)
            print(f"{name}: exit code {ended.code} after {ended.seconds:.1f} s", flush=True)
        for index in range(arguments.kills + arguments.limits):
            generator = random.Random(f"{arguments.seed} {index}")
            name = commands[index % len(commands)]
            how = kill if index < arguments.kills else kinds[index % len(kinds)]
            place.begin(name)
            try:
                what, found = how(place, name, expected[name], generator)
                found += again(place, name, expected[name])
            finally:
                if place.out.is_mount():
                    subprocess.run(["umount", place.out], check=True)
            faults += bool(found)
            print(f"{index + 1}. {name}, {what}", *found, sep="\n   FAULT: ", flush=True)
    print(f"{faults} of {arguments.kills + arguments.limits} with a fault")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
