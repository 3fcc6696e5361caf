"""One phone measures one bundle: the runs of the app one after the other, each with a name that a second attempt finds again."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel

from tflitekit._version import __version__
from tflitekit.core.errors import DeviceError, ModelError, TflitekitError, UnreadableError
from tflitekit.core.files import content_hash, hash_json, shortened
from tflitekit.core.structured import read_model, read_record, write_record
from tflitekit.options.benchmark import BenchmarkOptions
from tflitekit.results import Report, read_report
from tflitekit.targets.adb.app import App, Reached
from tflitekit.targets.adb.client import Adb, LostPhoneError, Phone
from tflitekit.targets.adb.verification import Verification, read_verification

__all__ = ["OnPhone", "PhoneRuns"]

_BUNDLE_FILE = "bundle.json"
_AGAIN = "Run this again: what it left was removed."


class OnPhone(BaseModel):
    """What one phone found.

    Attributes:
        reports: One for each number of threads, in their order; each has a latency.
        verification: How the golden samples came out.
    """

    reports: tuple[Report, ...]
    verification: Verification


class _Sent(BaseModel):
    """A variant of a bundle (see `tflitekit.bundling.contents`)."""

    name: str
    measured_sha256: str


class _Description(BaseModel):
    """What is read of a bundle's description."""

    variants: tuple[_Sent, ...]


class _Run(NamedTuple):
    """One run of the app: its name there, what starts it, and the file that it leaves."""

    name: str
    activity: str
    extras: Mapping[str, str | int | float]
    file: str


class PhoneRuns:
    """What a phone is asked to do with a bundle.

    Args:
        bundle: Its folder.
    """

    def __init__(self, bundle: Path, how: BenchmarkOptions) -> None:
        self._bundle, self._apk = bundle, how.app
        asked = {
            "bundle": content_hash(bundle / _BUNDLE_FILE),
            "how": how.model_dump(mode="json", exclude={"app", "target"}),
        }
        self._key = f"tflitekit-{hash_json(asked)[:16]}"
        self._verify = _Run(f"{self._key}-verify", "VerifyActivity", {}, "verification.json")
        self._measure = tuple(self._benchmark(threads, how) for threads in how.threads)

    def _benchmark(self, threads: int, how: BenchmarkOptions) -> _Run:
        extras: dict[str, str | int | float] = {"threads": threads, "protocol": how.protocol, "seed": how.seed}
        if how.runs is not None:
            extras["runs"] = how.runs
        if how.sustained_minutes is not None and threads == how.threads[0]:
            extras["sustained_minutes"] = float(how.sustained_minutes)
        return _Run(f"{self._key}-{threads}", "BenchActivity", extras, "report.json")

    def on(
        self,
        adb: Adb,
        serial: str,
        folder: Path,
        stopped: threading.Event,
        tell: Callable[[str], None],
        keep: Path | None,
    ) -> OnPhone:
        """Does all of it on one phone, or takes what an earlier call kept of it.

        Args:
            folder: Empty; receives the files that the app wrote.
            stopped: Set when the user wants it to end.
            tell: Receives how far it is.
            keep: Folder for finished results.

        Raises:
            TflitekitError: Something is missing, or went wrong there.
        """
        kept = keep / f"phone-{hash_json([self._key, serial, __version__])[:32]}.json" if keep else None
        earlier = read_record(kept, OnPhone) if kept else None
        if earlier is not None:
            return earlier
        phone = Phone(adb, serial)
        app = App(phone, stopped)
        try:
            files = self._files(app, folder, tell)
        except LostPhoneError:
            raise  # the app goes on by itself
        except TflitekitError:
            app.remove(f"bundles/{self._key}")
            raise
        try:
            found = self._read(phone, files)
        finally:
            app.remove(f"bundles/{self._key}", *(f"runs/{run.name}" for run in (self._verify, *self._measure)))
        app.stop()
        if kept is not None:
            write_record(kept, found.model_dump(mode="json"))
        return found

    def _files(self, app: App, folder: Path, tell: Callable[[str], None]) -> list[Path]:
        """Returns the file of each run, once it is here; a run that an earlier call began is waited for."""
        files, ready = [], False
        for run in (self._verify, *self._measure):
            if not app.has(run.name):
                if not ready:
                    tell("copying the bundle")
                    app.prepare(self._apk)
                    app.push(self._bundle, self._key)
                    ready = True
                app.start(run.activity, run.name, {"bundle": self._key, **run.extras})
            app.wait(run.name, functools.partial(_tell, tell, run))
            into = folder / run.name
            into.mkdir()
            files.append(app.fetch(run.name, run.file, into))
        return files

    def _read(self, phone: Phone, files: list[Path]) -> OnPhone:
        """Reads what the app wrote; all of it is about the files that were sent.

        Raises:
            DeviceError: It cannot be read, or is about others.
        """
        try:
            verification, reports = read_verification(files[0]), tuple(map(read_report, files[1:]))
        except (UnreadableError, ModelError) as error:
            raise DeviceError(f"{phone.name} left a result that cannot be read.", why=error.what, fix=_AGAIN) from error
        described = read_model(_Description, self._bundle / _BUNDLE_FILE)
        sent = {variant.name: variant.measured_sha256 for variant in described.variants}
        told: list[tuple[str, str | None]] = [(run.variant, run.sha256) for run in verification.runs]
        told += [(row.name, row.sha256) for report in reports for row in report.variants]
        other = next((name for name, sha256 in told if sent.get(name) != sha256), None)
        if other is not None:
            raise DeviceError(
                f"{phone.name} left a result of another bundle than it was sent: its '{shortened(other)}' is another file.",
                fix=_AGAIN,
            )
        if not all(any(row.latency is not None for row in report.variants) for report in reports):
            raise DeviceError(f"{phone.name} left a report without latencies.", fix=_AGAIN)
        return OnPhone(reports=reports, verification=verification)


def _tell(tell: Callable[[str], None], run: _Run, reached: Reached) -> None:
    if run.file == "verification.json":
        tell(f"verifying {reached.what}")
    else:
        tell(f"measuring {reached.what}, {reached.done} of {reached.planned}")
