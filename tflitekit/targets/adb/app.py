"""The kit's app on one phone: installed, given a bundle, started by intent, waited for, read."""

from __future__ import annotations

import re
import shlex
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from tflitekit.core.errors import DeviceError, MissingDependencyError
from tflitekit.targets.adb.client import LostPhoneError, Phone

__all__ = ["PACKAGE", "VERSION", "App", "Reached"]

PACKAGE = "org.tflitekit.demo"
VERSION = 2
"""The first ``versionCode`` that takes these intents and tells its progress; android_demo/gradle.properties has that of today."""

OLDEST_SDK = 24
ABIS = ("arm64-v8a", "armeabi-v7a", "x86_64")
STORAGE = f"/sdcard/Android/data/{PACKAGE}/files"
"""The app's own folder in the shared storage: it and ``adb`` may use it, other apps may not."""

POLL_S = 2.0
STARTS_S = 15.0
SILENT_S = 300.0
BACK_S = 120.0
UNLOCKS_S = 3.0
_BUILD = "Build it ('python android_demo/offline/build_apk.py --out demo.apk' in the kit's repository) and give it with --app demo.apk."
_REFUSALS = {
    "INSTALL_FAILED_UPDATE_INCOMPATIBLE": (
        "has the kit's app from another build, signed with another key",
        f"Remove that one ('adb -s {{serial}} uninstall {PACKAGE}'), or give the APK of the same build.",
    ),
    "INSTALL_FAILED_VERSION_DOWNGRADE": (
        "has a newer version of the kit's app than the one given",
        f"Leave out --app to use it, or remove it ('adb -s {{serial}} uninstall {PACKAGE}').",
    ),
    "INSTALL_FAILED_NO_MATCHING_ABIS": (
        "has a processor for which the APK holds no runtime",
        "Build the app without --abi, which packs all of them.",
    ),
    "INSTALL_FAILED_OLDER_SDK": ("has an Android that is too old for the app", "Use a phone with Android 7 or newer."),
    "INSTALL_FAILED_USER_RESTRICTED": (
        "did not allow the installation",
        "Confirm it on the phone's screen; some makers want 'Install via USB' switched on in the developer options.",
    ),
    "INSTALL_PARSE_FAILED": (
        "does not take the file as an app",
        "Give an APK that android_demo/offline/build_apk.py wrote.",
    ),
}


class Reached(NamedTuple):
    """How far a run is: steps done of those planned, and what it works on."""

    done: int
    planned: int
    what: str


class App:
    """The app on a phone that is connected.

    Args:
        stopped: Set when the user wants the run to end.
    """

    def __init__(self, phone: Phone, stopped: threading.Event) -> None:
        self._phone, self._stopped = phone, stopped

    def prepare(self, apk: Path | None) -> None:
        """Makes sure that the phone can run the app, that it is there in a version that this kit knows, and that the screen is on.

        Args:
            apk: What to install where it is missing or too old.

        Raises:
            DeviceError: It cannot be installed there, or the phone is locked.
            MissingDependencyError: It is not there, and no APK is given.
        """
        self._check_phone()
        found = self._version()
        if found is None or found < VERSION:
            self._install(apk, found)
        self._wake()
        self._begin("VerifyActivity", {})  # only the app can make its folders
        self._await(lambda: self._exists(f"{STORAGE}/bundles"), STARTS_S, "did not make its folders")

    def push(self, bundle: Path, name: str) -> None:
        """Copies a bundle into the app's storage."""
        place = f"{STORAGE}/bundles/{name}"
        self._phone.shell("rm", "-rf", place)
        try:
            self._phone.push(bundle, place)
        except DeviceError:
            self._forget(place)
            raise

    def has(self, run: str) -> bool:
        """Whether a run that was interrupted here has its result there, or goes on."""
        state = self._look(run)
        return state.done or (state.begun and state.alive and state.failed is None)

    def start(self, activity: str, run: str, extras: Mapping[str, str | int | float]) -> None:
        """Starts a run; an older one of the same name is removed."""
        self._phone.shell("rm", "-rf", f"{STORAGE}/runs/{run}")
        self._wake()  # copying may have taken longer than the screen stays on
        self._begin(activity, {"run_id": run, **extras})

    def wait(self, run: str, tell: Callable[[Reached], None]) -> None:
        """Waits until a run has its result.

        Raises:
            DeviceError: It failed, the app was closed, or nothing is heard of it any more.
        """
        heard, text, absent = time.monotonic(), "", 0
        while not (state := self._look(run)).done:
            absent = 0 if state.alive else absent + 1
            if state.progress != text:
                heard, text = time.monotonic(), state.progress
                tell(_reached(text))
            silent = time.monotonic() - heard > SILENT_S
            if state.failed is not None or absent > 1 or silent:
                self.remove(f"runs/{run}")
                raise self._failure(state, text)
            self._pause(POLL_S)

    def _failure(self, state: _State, heard: str) -> DeviceError:
        name = self._phone.name
        if state.failed is not None:
            return DeviceError(f"The app on {name} could not measure.", why=state.failed)
        if not state.alive:
            return DeviceError(
                f"The app on {name} was closed before the run had ended.",
                why="Someone closed it, it crashed, or Android ended it for want of memory.",
                fix="Close other apps, leave this one on the screen, and run this again.",
            )
        return DeviceError(
            f"The app on {name} has not gone on for {SILENT_S:.0f} s.",
            why=f"The last that it told was '{heard}'." if heard else "It told nothing.",
            fix="Look at its screen, restart the phone if it is stuck, and run this again.",
        )

    def fetch(self, run: str, name: str, into: Path) -> Path:
        """Copies a file of a run that is done, and returns where it is now."""
        self._phone.pull(f"{STORAGE}/runs/{run}/{name}", into / name)
        return into / name

    def remove(self, *places: str) -> None:
        """Removes bundles and runs, named as 'bundles/NAME' and 'runs/NAME', once they are no longer needed."""
        self._forget(*(f"{STORAGE}/{place}" for place in places))

    def stop(self) -> None:
        """Ends the app."""
        self._phone.shell("am", "force-stop", PACKAGE)

    def _check_phone(self) -> None:
        sdk = self._phone.property("ro.build.version.sdk")
        if sdk.isdigit() and int(sdk) < OLDEST_SDK:
            version = self._phone.property("ro.build.version.release")
            raise self._unfit(f"has Android {version}, but the kit's app needs 7 or newer")
        abis = self._phone.property("ro.product.cpu.abilist")
        if not set(abis.split(",")) & set(ABIS):
            raise self._unfit(f"has a processor ({abis}) that the kit's app does not run on ({', '.join(ABIS)})")

    def _unfit(self, what: str) -> DeviceError:
        return DeviceError(f"{self._phone.name} {what}.", fix="Use another phone.")

    def _version(self) -> int | None:
        if "package:" not in self._phone.shell("pm", "path", PACKAGE):
            return None
        found = re.search(r"versionCode=(\d+)", self._phone.shell("dumpsys", "package", PACKAGE))
        return int(found[1]) if found else 0

    def _install(self, apk: Path | None, found: int | None) -> None:
        if apk is None:
            what = "does not have the kit's app" if found is None else f"has {_older(found)}"
            raise MissingDependencyError(f"{self._phone.name} {what}.", fix=_BUILD)
        said = self._phone.install(apk)
        if said:
            known = (words for code, words in _REFUSALS.items() if code in said)
            what, fix = next(known, ("refused the installation", None))
            fix = fix and fix.format(serial=self._phone.serial)
            raise DeviceError(f"{self._phone.name} {what}.", why=said, fix=fix)
        now = self._version()
        if now is None or now < VERSION:
            what = "not the kit's app" if now is None else _older(now)
            raise DeviceError(f"{apk.name} is {what}.", fix=_BUILD)

    def _wake(self) -> None:
        self._phone.shell("input", "keyevent", "KEYCODE_WAKEUP")
        self._phone.shell("wm", "dismiss-keyguard")
        end = time.monotonic() + UNLOCKS_S
        while re.search(r"^\s*showing=true", self._phone.shell("dumpsys", "window", "policy"), re.MULTILINE):
            if time.monotonic() > end:
                raise DeviceError(
                    f"{self._phone.name} is locked, and Android slows down what is not on the screen.",
                    fix="Unlock it, and run this again; the app keeps the screen on while it measures.",
                )
            self._pause(UNLOCKS_S / 10)

    def _begin(self, activity: str, extras: Mapping[str, str | int | float]) -> None:
        arguments = [part for name, value in extras.items() for part in (_flag(name, value), name, str(value))]
        said = self._phone.shell("am", "start", "-S", "-W", "-n", f"{PACKAGE}/.{activity}", *arguments)
        if "Error" in said:
            line = next(line.strip() for line in reversed(said.splitlines()) if "Error" in line)
            raise DeviceError(
                f"{self._phone.name} cannot start the kit's app.",
                why=line,
                fix=f"Remove it ('adb uninstall {PACKAGE}') and run this again with --app.",
            )

    def _look(self, run: str) -> _State:
        place = shlex.quote(f"{STORAGE}/runs/{run}")
        parts = f"ls {place}", f"cat {place}/progress", f"cat {place}/failed", f"pidof {PACKAGE}"
        script = "; echo; echo --; ".join(f"{part} 2>/dev/null" for part in parts)
        while True:
            try:
                files, progress, rest = f"\n{self._phone.script(script)}".split("\n--", 2)
            except LostPhoneError as error:
                self._await_return(error)
            else:
                names, (failed, _, pid) = files.split(), rest.rpartition("\n--")
                reason = failed.strip() if "failed" in names else None
                return _State(bool(names), "done" in names, reason, progress.strip(), bool(pid.strip()))

    def _await_return(self, error: LostPhoneError) -> None:
        """Waits until the phone is connected again: the app goes on without the cable."""
        if not self._phone.returns_within(BACK_S, pause_s=POLL_S):
            raise LostPhoneError(
                f"The phone {self._phone.name} was disconnected while it measured, and did not come back within {BACK_S:.0f} s.",
                why=error.what,
                fix="Connect it again and run the same command: the app goes on by itself, and a result that is ready by then is fetched.",
            ) from error

    def _await(self, there: Callable[[], bool], seconds: float, failing: str) -> None:
        end = time.monotonic() + seconds
        while not there():
            if time.monotonic() > end:
                raise DeviceError(
                    f"The kit's app on {self._phone.name} {failing} within {seconds:.0f} s.",
                    fix="Start it by hand and look at what it says.",
                )
            self._pause(POLL_S / 10)

    def _exists(self, path: str) -> bool:
        return bool(self._phone.script(f"ls -d {shlex.quote(path)} 2>/dev/null").strip())

    def _forget(self, *places: str) -> None:
        try:
            self._phone.shell("rm", "-rf", *places)
        except LostPhoneError:
            return  # the next run removes what has the same name

    def _pause(self, seconds: float) -> None:
        if self._stopped.wait(seconds):
            self.stop()
            raise DeviceError(f"The run on {self._phone.name} was stopped.")


class _State(NamedTuple):
    """What one look at a run found."""

    begun: bool
    done: bool
    failed: str | None
    progress: str
    alive: bool


def _older(version: int) -> str:
    return f"version {version} of the kit's app, and this kit needs {VERSION}"


def _reached(text: str) -> Reached:
    """Reads the file ``progress``: steps done, steps planned, and a name."""
    found = re.fullmatch(r"(\d+) (\d+) ?(.*)", text)
    return Reached(int(found[1]), int(found[2]), found[3]) if found else Reached(0, 0, text)


def _flag(name: str, value: str | int | float) -> str:
    """Returns the option of ``am`` for the type that the app reads."""
    if isinstance(value, str):
        return "--es"
    if isinstance(value, float):
        return "--ef"
    return "--el" if name == "seed" else "--ei"
