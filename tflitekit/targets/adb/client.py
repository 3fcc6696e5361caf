"""The ``adb`` program, and one phone through it.

What the real client (29.0.6) does: a connection that is cut ends ``adb shell`` with the exit code 0 and without a word, so
each command ends with a mark of its own; arguments are joined by blanks and read by the phone's shell, so they are quoted here.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

from tflitekit.core.errors import DeviceError, MissingDependencyError

__all__ = ["Adb", "Attached", "LostPhoneError", "Phone", "find_adb"]

_ANSWER_S = 60.0
_COPY_S = 1800.0
_READY = "device"
_LEADING = re.compile(r"^(adb: )?(error: )?", re.IGNORECASE)
_LOST = re.compile(
    r"device .*(not found|offline|unauthorized|authorizing)|no devices|error: closed|protocol fault|connect failed"
)
_NO_SPACE = ("No space left on device", "INSTALL_FAILED_INSUFFICIENT_STORAGE")

_ALLOW = "has not allowed this computer to debug it", "Unlock it and confirm 'Allow USB debugging' on its screen."
_STATES = {
    "unauthorized": _ALLOW,
    "authorizing": _ALLOW,
    "offline": (
        "is connected but does not answer",
        "Unplug it and plug it in again; where that does not help, run 'adb kill-server'.",
    ),
    "no permissions": (
        "may not be used by this user",
        "Install Android's udev rules (Debian: android-sdk-platform-tools-common), log in again and plug it in again.",
    ),
    "gone": ("is not connected", "Plug it in, or connect it with 'adb connect'; 'adb devices' lists what is there."),
}


class LostPhoneError(DeviceError):
    """The connection to a phone was cut."""


class Attached(NamedTuple):
    """One line of ``adb devices -l``."""

    serial: str
    state: str
    model: str | None

    @property
    def ready(self) -> bool:
        return self.state == _READY

    def refusal(self) -> DeviceError:
        """Returns why it cannot be used."""
        label = f"{self.model} ({self.serial})" if self.model else self.serial
        what, fix = _STATES.get(self.state, (f"is in the mode '{self.state}'", "Start Android on it."))
        return LostPhoneError(f"The phone {label} {what}.", fix=fix)


def find_adb() -> str:
    """Returns the path of the program.

    Raises:
        MissingDependencyError: It is not installed.
    """
    homes = [Path(home) for name in ("ANDROID_HOME", "ANDROID_SDK_ROOT") if (home := os.environ.get(name))]
    within = os.pathsep.join(str(home / "platform-tools") for home in homes)
    program = shutil.which("adb") or shutil.which("adb", path=within)
    if program is None:
        raise MissingDependencyError(
            "The program 'adb', which talks to phones, is not installed.",
            why="It is neither on the PATH nor below ANDROID_HOME.",
            fix="Install it: 'apt-get install adb' on Debian, 'brew install android-platform-tools' on macOS, or Android's SDK Platform Tools.",
        )
    return program


class Adb:
    """The program.

    Raises:
        MissingDependencyError: It is not installed.
    """

    def __init__(self) -> None:
        self._program = find_adb()

    def devices(self) -> list[Attached]:
        """Returns what is connected, whatever its state.

        Raises:
            DeviceError: Its server does not start, or cannot be reached.
        """
        done, found = self.run("devices", "-l"), []
        if done.returncode:
            raise DeviceError(
                "'adb devices' failed, so nobody knows what is connected.",
                why=_reason(done.stderr or done.stdout),
                fix="Run it by hand and see what it says; 'adb kill-server' ends a server that hangs.",
            )
        for line in done.stdout.partition("List of devices attached")[2].splitlines():
            serial, _, rest = line.strip().partition(" ")
            rest = rest.strip()
            if not serial or serial.startswith("*"):
                continue
            state = "no permissions" if rest.startswith("no permissions") else rest.partition(" ")[0]
            model = re.search(r"\bmodel:(\S+)", rest)
            found.append(Attached(serial, state, model[1].replace("_", " ") if model else None))
        return found

    def run(self, *arguments: str, timeout_s: float = _ANSWER_S) -> subprocess.CompletedProcess[str]:
        """Runs one command of it to its end.

        Raises:
            LostPhoneError: It does not end in time.
        """
        try:
            return subprocess.run(
                [self._program, *arguments],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, encoding="utf-8", errors="replace",
                timeout=timeout_s, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise LostPhoneError(
                f"'adb {shlex.join(arguments)[:60]}' did not end within {timeout_s:.0f} s.",
                fix="Unplug the phone and plug it in again; where that does not help, run 'adb kill-server'.",
            ) from error


class Phone:
    """One phone that is connected and lets itself be debugged."""

    def __init__(self, adb: Adb, serial: str) -> None:
        self._adb, self.serial = adb, serial
        self.name = f"{self.property('ro.product.model') or 'The phone'} ({serial})"

    def property(self, name: str) -> str:
        """Returns one of Android's system properties; '' where it is not set."""
        return self.shell("getprop", name).strip()

    def shell(self, *command: str, timeout_s: float = _ANSWER_S) -> str:
        """Runs a command there and returns what it printed, whatever its exit code: Android's own tell little by theirs."""
        return self.script(shlex.join(command), timeout_s=timeout_s)

    def script(self, text: str, *, timeout_s: float = _ANSWER_S) -> str:
        """Runs text of the phone's shell; all that stands in it must be quoted.

        Raises:
            LostPhoneError: The phone cannot be reached, or the connection was cut.
        """
        mark = "-- the end --"
        done = self._adb.run("-s", self.serial, "shell", f"{text}\necho; echo '{mark}'", timeout_s=timeout_s)
        printed, found, _ = done.stdout.replace("\r\n", "\n").rpartition(f"\n{mark}")
        if not found:
            raise self.lost()
        return printed

    def push(self, local: Path, remote: str) -> None:
        """Copies a file or folder to it.

        Raises:
            DeviceError: There is no room, or the place is not one.
        """
        self._copy("push", str(local), remote)

    def pull(self, remote: str, local: Path) -> None:
        """Copies a file from it."""
        self._copy("pull", remote, str(local))

    def install(self, apk: Path) -> str:
        """Installs an app, or another version of it, and returns what the phone says."""
        done = self._adb.run("-s", self.serial, "install", "-r", str(apk), timeout_s=_COPY_S)
        return self._checked(done)

    def state(self) -> Attached:
        """Returns how it is connected now."""
        found = next((one for one in self._adb.devices() if one.serial == self.serial), None)
        return found or Attached(self.serial, "gone", None)

    def lost(self) -> DeviceError:
        """Returns why it cannot be reached."""
        state = self.state()
        if not state.ready:
            return state._replace(serial=self.serial).refusal()
        return LostPhoneError(
            f"The connection to the phone {self.serial} was cut.",
            fix="Check the cable or the network, and run this again.",
        )

    def returns_within(self, seconds: float, *, pause_s: float) -> bool:
        """Waits until it is connected again; says whether it is."""
        end = time.monotonic() + seconds
        while not self.state().ready:
            if time.monotonic() > end:
                return False
            time.sleep(pause_s)
        return True

    def _copy(self, *arguments: str) -> None:
        said = self._checked(self._adb.run("-s", self.serial, *arguments, timeout_s=_COPY_S))
        if said:
            raise DeviceError(
                f"Copying files {'to' if arguments[0] == 'push' else 'from'} the phone {self.name} failed.", why=said
            )

    def _checked(self, done: subprocess.CompletedProcess[str]) -> str:
        """Returns what adb says where it failed, '' where it did not."""
        said = _reason(done.stdout + done.stderr)
        if any(words in said for words in _NO_SPACE):
            raise DeviceError(
                f"The phone {self.name} has no room left.", why=said, fix="Free some space on it, and run this again."
            )
        if done.returncode and (_LOST.search(done.stderr) or not self.state().ready):
            raise self.lost()
        return said if done.returncode else ""


def _reason(said: str) -> str:
    """Returns the line of adb's answer that says what went wrong."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    wrong = [line for line in lines if re.search(r"error|fail|denied|cannot|no space", line, re.IGNORECASE)]
    return _LEADING.sub("", (wrong or lines or [""])[-1])
