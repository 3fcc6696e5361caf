"""Android phones, through ``adb`` and the kit's app: it measures a whole bundle by itself and leaves the kit's report.

No phone has confirmed any of this yet: it was driven with the real ``adb`` and the app's core on a JVM, never with Android.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from tflitekit.core.errors import DeviceError, TflitekitError, UsageError
from tflitekit.core.progress import Advance, Progress
from tflitekit.options.benchmark import BenchmarkOptions, LatencyOptions
from tflitekit.results import Figure, TargetKind
from tflitekit.targets import OwnBenchmark, register_target
from tflitekit.targets.adb.client import Adb, Attached
from tflitekit.targets.adb.measuring import OnPhone, PhoneRuns
from tflitekit.targets.adb.results import joined, together

__all__ = ["AdbTarget"]

_POLL_S = 0.2
_EMULATOR = "emulator-"
_PROTOCOLS = ("quick", "benchmark-model")
"""Those of the app (android_demo/core: Protocol.java)."""


@register_target("adb", takes="SERIAL")
class AdbTarget:
    """All phones that are connected, or those whose serial numbers are given, separated by commas."""

    name = "adb"
    kind: TargetKind = "phone"
    good_for: tuple[Figure, ...] = ("latency", "memory", "accuracy")

    def __init__(self, serials: str = "") -> None:
        self._adb = Adb()
        self._wanted = tuple(part.strip() for part in serials.split(",") if part.strip())

    def close(self) -> None:
        """Nothing is held open: the server of ``adb`` belongs to the user."""

    def identity(self) -> dict[str, Any]:
        return {"phones": sorted(phone.serial for phone in self._phones()), "runtime": "the app's"}

    @staticmethod
    def check_asked(how: LatencyOptions) -> None:
        """Raises `UsageError` for what the app cannot do on any phone."""
        if how.protocol not in _PROTOCOLS:
            raise UsageError(
                f"The app on a phone does not have the protocol '{how.protocol}'.",
                fix=f"Choose from: {', '.join(_PROTOCOLS)}.",
            )
        if how.profile:
            raise UsageError(
                "--profile is not possible on phones: the app has no profiler.",
                fix="Leave it out, or profile on this host.",
            )

    def check(self, how: BenchmarkOptions) -> None:
        self.check_asked(how)
        if how.app is not None and not how.app.is_file():
            raise UsageError(f"There is no file {how.app}, which --app names.", fix="Give the APK of the kit's app.")
        if not any(phone.ready for phone in self._phones()):
            raise together([phone.refusal() for phone in self._phones()])

    def benchmark(self, bundle: Path, how: BenchmarkOptions, *, progress: Progress, keep: Path | None) -> OwnBenchmark:
        """Measures a bundle on all of them at once.

        Raises:
            TflitekitError: There is none, or none of them has a result. Where some have, the others are doubts.
        """
        runs = PhoneRuns(bundle, how)
        phones = self._phones()
        ready = [phone.serial for phone in phones if phone.ready]
        failed: dict[str, TflitekitError] = {phone.serial: phone.refusal() for phone in phones if not phone.ready}
        found: dict[str, OnPhone] = {}
        with (
            tempfile.TemporaryDirectory() as folder,
            ThreadPoolExecutor(max(1, len(ready))) as pool,
            _stopping() as stopped,
        ):
            begun: dict[Future[OnPhone], str] = {}
            with contextlib.ExitStack() as tasks:
                for number, serial in enumerate(ready):
                    advance = tasks.enter_context(progress.task(f"On {serial}", None))
                    into = Path(folder) / str(number)
                    into.mkdir()
                    told = _teller(advance)
                    begun[pool.submit(runs.on, self._adb, serial, into, stopped, told, keep)] = serial
                _wait_for(begun)
            for future, serial in begun.items():
                try:
                    found[serial] = future.result()
                except TflitekitError as error:
                    failed[serial] = error
        if not found:
            raise together(list(failed.values()))
        return joined(found, list(failed.values()))

    def _phones(self) -> Sequence[Attached]:
        """Returns those that are meant; emulators only where they are named.

        Raises:
            DeviceError: There is none, or one that was named is an emulator.
        """
        attached = self._adb.devices()
        if self._wanted:
            known = {phone.serial: phone for phone in attached}
            phones = [known.get(serial, Attached(serial, "gone", None)) for serial in dict.fromkeys(self._wanted)]
        else:
            phones = [phone for phone in attached if not phone.serial.startswith(_EMULATOR)]
        emulator = next((phone for phone in phones if phone.serial.startswith(_EMULATOR)), None)
        if emulator is not None:
            raise DeviceError(
                f"{emulator.serial} is an emulator: its latency says nothing about a phone.",
                fix="Use a phone. For what its kernels compute, --also-on arm64-emulated is there.",
            )
        if not phones:
            raise DeviceError(
                "No phone is connected.",
                fix="Switch on 'USB debugging' in its developer options and plug it in; 'adb devices' must list it. Over Wi-Fi: 'adb connect ADDRESS'.",
            )
        return phones


def _teller(advance: Advance) -> Callable[[str], None]:
    return lambda words: advance(0, words)


@contextlib.contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Gives an event that is set where the user ends the run, so that the threads do not go on."""
    stopped = threading.Event()
    try:
        yield stopped
    except BaseException:
        stopped.set()
        raise


def _wait_for(begun: Iterable[Future[OnPhone]]) -> None:
    """Waits in short steps, so that Ctrl-C arrives."""
    left = set(begun)
    while left:
        _, left = wait(left, timeout=_POLL_S, return_when=FIRST_COMPLETED)
