"""What the kit does on a board beside running files. It is sent along with each call, and needs nothing but a Python there, from 3.7 on.

Everything lies below one folder of the user's: files by the hash of their content, and what the worker needs. Nothing else is touched.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

FOLDER = Path.home() / ".cache" / "tflitekit" / "board"
WAIT_S = 60
CHUNK = 1 << 20
STATE = (
    "sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor",
    "sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq",
    "sys/devices/system/cpu/cpu[0-9]*/cpufreq/cpuinfo_max_freq",
    "sys/class/thermal/thermal_zone*/temp",
    "proc/loadavg",
)


def say(**told: Any) -> None:
    """Answers with one line of JSON."""
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def probe() -> None:
    """Says what this is."""
    say(
        python=platform.python_version(),
        implementation=platform.python_implementation(),
        machine=platform.machine(),
        bits=64 if sys.maxsize > 2**32 else 32,
        libc=platform.libc_ver(),
        system=platform.system(),
        cores=os.cpu_count(),
        model=text(Path("/sys/firmware/devicetree/base/model")).strip("\0\n ") or None,
        cpuinfo=text(Path("/proc/cpuinfo")),
        folder=str(FOLDER),
    )


def text(path: Path) -> str:
    """Returns a file's content; nothing where it cannot be read."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def state() -> None:
    """Says what the system knows of clock, heat and load."""
    texts = {str(path): text(path) for pattern in STATE for path in sorted(Path("/").glob(pattern))}
    say(texts=texts, throttled=throttled())


def throttled() -> str | None:
    """Asks the firmware of a Raspberry Pi; None elsewhere."""
    command = ["vcgencmd", "get_throttled"]
    try:
        return subprocess.check_output(command, stderr=subprocess.DEVNULL, timeout=10).decode(errors="replace")
    except (OSError, subprocess.SubprocessError):
        return None


def put(name: str, digest: str, size: str, unpacked: str) -> None:
    """Receives a file, or an archive that is unpacked into a folder; what an earlier call received is not asked for again."""
    place = FOLDER / name
    if place.exists():
        return say(there=True)
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = place.with_name(place.name + ".part")
    with part.open("ab") as stream:
        if not lock(stream.fileno()):
            return say(busy=True)
        if place.exists():
            return say(there=True)
        if os.fstat(stream.fileno()).st_size > int(size):
            stream.truncate(0)
        have = os.fstat(stream.fileno()).st_size
        needed, free = int(size) - have + int(unpacked), shutil.disk_usage(str(FOLDER)).free
        if free < needed:
            return say(full=True, needed=needed, free=free)
        say(have=have)
        try:
            shutil.copyfileobj(sys.stdin.buffer, stream, CHUNK)
            stream.flush()
        except OSError:
            part.unlink()  # a full disk is freed again
            raise
        if os.fstat(stream.fileno()).st_size < int(size):
            return None  # the connection was cut; the next call goes on from here
        if hashed(part) != digest:
            part.unlink()
            return say(damaged=True)
        if int(unpacked):
            unpack(part, place)
        else:
            part.rename(place)
    return say(there=True)


def lock(descriptor: int) -> bool:
    """Waits for another call that receives the same file."""
    end = time.monotonic() + WAIT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > end:
                return False
            time.sleep(0.5)
        else:
            return True


def hashed(path: Path) -> str:
    """Returns the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for block in iter(lambda: stream.read(CHUNK), b""):
            digest.update(block)
    return digest.hexdigest()


def unpack(part: Path, place: Path) -> None:
    """Unpacks an archive; the folder is there as a whole or not at all."""
    fresh = place.with_name(place.name + ".fresh")
    shutil.rmtree(str(fresh), ignore_errors=True)
    try:
        with tarfile.open(str(part)) as archive:
            archive.extractall(str(fresh))  # of the kit's own making, checked by its hash
    except OSError:
        shutil.rmtree(str(fresh), ignore_errors=True)
        raise
    fresh.rename(place)
    part.unlink()


def hold(how: str, who: str) -> None:
    """Keeps others who measure away for as long as standard input is open; runs that only compute samples share the board."""
    FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (FOLDER / "busy").open("a+") as stream:
        try:
            fcntl.flock(stream, (fcntl.LOCK_EX if how == "alone" else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except OSError:
            stream.seek(0)
            return say(busy=stream.read())
        stream.truncate(0)
        stream.write(who)
        stream.flush()
        say(held=True)
        sys.stdin.buffer.read()
    return None


def main() -> None:
    """Does what the arguments say."""
    actions: Any = {"probe": probe, "state": state, "put": put, "hold": hold}
    try:
        actions[sys.argv[1]](*sys.argv[2:])
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        say(full=True) if full else say(error=str(error))


if __name__ == "__main__":
    main()
