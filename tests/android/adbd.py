"""A phone for the real ``adb``: its daemon over TCP, with a shell whose commands and files lie in one folder.

Facts about the protocol are from AOSP (packages/modules/adb: protocol.txt, SYNC.TXT, shell_protocol.h). What a phone says of itself is in
files below ``state``; tests change them, so that a fault happens in the phone and not in what drives it.
"""

from __future__ import annotations

import contextlib
import os
import queue
import shlex
import shutil
import signal
import socket
import stat
import struct
import subprocess
import threading
import time
from pathlib import Path
from typing import IO

from free_port import free_port

_VERSION, _MOST = 0x01000001, 256 * 1024
_TOKEN = 1
_STDOUT, _STDERR, _EXIT = 1, 2, 3
_BANNER = b"device::ro.product.name=paper;ro.product.model=Paper_1;ro.product.device=paper;features=shell_v2,cmd"
PACKAGE = "org.tflitekit.demo"

COMMANDS = {
    "getprop": 'cat "$STATE/props/$1" 2>/dev/null || echo',
    "pm": '[ "$1" = path ] && [ -e "$STATE/version" ] && echo "package:/data/app/$2/base.apk"',
    "dumpsys": """
        case $1 in
          package) [ -e "$STATE/version" ] && printf '    versionCode=%s minSdk=24 targetSdk=36\\n' "$(cat "$STATE/version")";;
          *) cat "$STATE/dumpsys/$1" 2>/dev/null;;
        esac""",
    "cmd": """
        for size; do :; done
        head -c "$size" > "$STATE/installed.apk"
        cat "$STATE/install"
        grep -q Success "$STATE/install" || exit 1
        cat "$STATE/apk_version" > "$STATE/version" """,
    "pidof": """
        pid=$(cat "$STATE/pid" 2>/dev/null) || exit 1
        grep -q '^State:.[^Z]' "/proc/$pid/status" 2>/dev/null && echo "$pid" """,
    "input": ":",
    "wm": ":",
    "am": """
        if [ "$1" = force-stop ]; then
          [ -e "$STATE/pid" ] && kill "$(cat "$STATE/pid")" 2>/dev/null; rm -f "$STATE/pid"; exit 0
        fi
        echo "$@" >> "$STATE/started"
        echo "Starting: Intent { cmp=$5 }"
        if [ ! -e "$STATE/version" ]; then
          echo "Error type 3"; echo "Error: Activity class {$5} does not exist."; exit 1
        fi
        [ -e "$STATE/pid" ] && kill "$(cat "$STATE/pid")" 2>/dev/null
        mkdir -p "$PHONE/sdcard/Android/data/org.tflitekit.demo/files/bundles" "$PHONE/sdcard/Android/data/org.tflitekit.demo/files/runs"
        case $* in *run_id*) app=$STATE/app;; *) app=$STATE/idle;; esac
        setsid sh "$app" "$PHONE/sdcard/Android/data/org.tflitekit.demo/files" "$@" > "$STATE/log" 2>&1 < /dev/null &
        echo $! > "$STATE/pid"
        printf 'Status: ok\\nLaunchState: COLD\\nComplete\\n'""",
}


class Phone:
    """One phone on a port of this machine.

    Attributes:
        state: Its files: ``props/NAME``; ``version`` of the installed app, absent without one; ``install``, what an installation answers,
            and ``apk_version``, what it installs; ``dumpsys/NAME``; ``app``, the script that is the app, called with its folder and the
            arguments of ``am``.
        files: The app's own folder in the shared storage.
        mode: 'device', 'unauthorized' or 'silent'.
        full: Bytes that it still has room for; None is enough room.
    """

    def __init__(self, folder: Path, *, app: str = "sleep 600", props: dict[str, str] | None = None) -> None:
        self.folder, self.state = folder, folder / "state"
        self.files = folder / "sdcard" / "Android" / "data" / PACKAGE / "files"
        self.mode, self.full, self.refused = "device", None, None
        self._bin = folder / "bin"
        for made in (self.state / "props", self.state / "dumpsys", self._bin, folder / "sdcard" / "Android" / "data"):
            made.mkdir(parents=True)
        for name, script in COMMANDS.items():
            (self._bin / name).write_text(f"#!/bin/sh\n{script}\n")
            (self._bin / name).chmod(0o755)
        given = {
            "ro.build.version.sdk": "35", "ro.build.version.release": "15", "ro.product.model": "Paper 1", "ro.product.manufacturer": "acme",
            "ro.product.cpu.abilist": "arm64-v8a,armeabi-v7a", "ro.build.fingerprint": "acme/paper/paper:15/1/1:user/release-keys",
        }  # fmt: skip
        for name, value in (given | (props or {})).items():
            self.prop(name, value)
        self.say(install="Success", apk_version="2", app=app, idle="sleep 600")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._connections: list[socket.socket] = []
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def serial(self) -> str:
        return f"127.0.0.1:{self.port}"

    def prop(self, name: str, value: str) -> None:
        (self.state / "props" / name).write_text(value + "\n")

    def say(self, **answers: str) -> None:
        for name, text in answers.items():
            (self.state / name).write_text(text + "\n")

    def started(self) -> list[str]:
        """The intents that were started."""
        path = self.state / "started"
        return path.read_text().splitlines() if path.exists() else []

    def unplug(self) -> None:
        """Cuts the connection; the app runs on. Nobody can connect until `plug_in`."""
        self.mode = "unplugged"
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._connections.clear()

    def plug_in(self) -> None:
        self.mode = "device"

    def kill_app(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            os.killpg(int((self.state / "pid").read_text()), signal.SIGKILL)

    def close(self) -> None:
        self._closed = True
        self.unplug()
        self._listener.close()
        self.kill_app()

    def _accept(self) -> None:
        while not self._closed:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if self.mode == "unplugged":
                connection.close()
                continue
            self._connections.append(connection)
            threading.Thread(target=_Connection(self, connection).serve, daemon=True).start()

    def path(self, path: str) -> Path:
        """Returns the file here that is a file there."""
        return self.folder / os.path.normpath("/" + path).lstrip("/")

    def run(self, command: str) -> subprocess.Popen[bytes]:
        """Starts a command of the shell, in which paths of the phone are paths here."""
        environment = os.environ | {
            "PATH": f"{self._bin}:{os.environ['PATH']}",
            "STATE": str(self.state),
            "PHONE": str(self.folder),
        }
        here = command.replace("/sdcard/", f"{self.folder}/sdcard/")
        return subprocess.Popen(
            ["sh", "-c", here],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )


class _Connection:
    """One connection of the adb server, with its streams."""

    def __init__(self, phone: Phone, connection: socket.socket) -> None:
        self._phone, self._socket = phone, connection
        self._lock = threading.Lock()
        self._streams: dict[int, _Stream] = {}

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while (header := self._exactly(24)) is not None:
                command, first, second, size, _, _ = struct.unpack("<4s5I", header)
                data = self._exactly(size) or b""
                self._take(command, first, second, data)
        for stream in self._streams.values():
            stream.end()

    def send(self, command: bytes, first: int, second: int, data: bytes = b"") -> None:
        magic = struct.unpack("<I", command)[0] ^ 0xFFFFFFFF
        check = sum(data) & 0xFFFFFFFF
        with self._lock:
            self._socket.sendall(struct.pack("<4s5I", command, first, second, len(data), check, magic) + data)

    def _take(self, command: bytes, first: int, second: int, data: bytes) -> None:
        if self._phone.mode == "silent":
            return
        if self._phone.mode == "unauthorized" and command in (b"CNXN", b"AUTH"):
            self.send(b"AUTH", _TOKEN, 0, b"\1" * 20)
        elif command == b"CNXN":
            self.send(b"CNXN", _VERSION, _MOST, _BANNER)
        elif command == b"OPEN":
            number = max(self._streams, default=0) + 1
            self._streams[number] = _Stream(self, self._phone, number, first)
            self.send(b"OKAY", number, first)
            self._streams[number].open(data.rstrip(b"\0").decode())
        elif second in self._streams:
            self._streams[second].take(command, data)

    def _exactly(self, size: int) -> bytes | None:
        data = b""
        while len(data) < size:
            part = self._socket.recv(size - len(data))
            if not part:
                return None
            data += part
        return data


class _Stream:
    """One service: a shell, the installation of a package, or files."""

    def __init__(self, connection: _Connection, phone: Phone, own: int, other: int) -> None:
        self._connection, self._phone, self._own, self._other = connection, phone, own, other
        self._given: queue.Queue[bytes] = queue.Queue()
        self._acknowledged: queue.Queue[bool] = queue.Queue()
        self._rest = b""

    def open(self, service: str) -> None:
        kind, _, command = service.partition(":")
        work = {"sync": self._sync, "exec": self._exec}.get(kind, self._shell)
        threading.Thread(target=self._quietly, args=(work, command), daemon=True).start()

    def _quietly(self, work: object, command: str) -> None:
        with contextlib.suppress(OSError, EOFError):
            work(command)  # type: ignore[operator]
            self._connection.send(b"CLSE", self._own, self._other)

    def take(self, command: bytes, data: bytes) -> None:
        if command == b"WRTE":
            self._given.put(data)
            self._connection.send(b"OKAY", self._own, self._other)
        elif command == b"OKAY":
            self._acknowledged.put(True)
        else:
            self.end()

    def end(self) -> None:
        self._given.put(b"")
        self._acknowledged.put(False)

    def _write(self, data: bytes) -> None:
        for start in range(0, len(data), _MOST):
            self._connection.send(b"WRTE", self._own, self._other, data[start : start + _MOST])
            if not self._acknowledged.get():
                raise EOFError

    def _read(self, size: int) -> bytes:
        while len(self._rest) < size:
            part = self._given.get()
            if not part:
                raise EOFError
            self._rest += part
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def _shell(self, command: str) -> None:
        process = self._phone.run(command.partition("raw:")[2] or command)
        assert process.stdin and process.stdout and process.stderr
        process.stdin.close()

        def copy(number: int, stream: IO[bytes]) -> None:
            with contextlib.suppress(OSError, EOFError):
                while data := os.read(stream.fileno(), 60_000):
                    with lock:
                        self._write(struct.pack("<BI", number, len(data)) + data)

        lock = threading.Lock()
        copies = [
            threading.Thread(target=copy, args=pair, daemon=True)
            for pair in ((_STDOUT, process.stdout), (_STDERR, process.stderr))
        ]
        for one in copies:
            one.start()
        for one in copies:
            one.join()
        self._write(struct.pack("<BIB", _EXIT, 1, process.wait() & 255))

    def _exec(self, command: str) -> None:
        process = self._phone.run(command)
        assert process.stdin and process.stdout
        left = int(shlex.split(command)[-1]) if command.startswith("cmd package") else 0
        while left:
            part = self._read(min(left, 60_000))
            process.stdin.write(part)
            left -= len(part)
        process.stdin.close()
        self._write(process.stdout.read())
        process.wait()

    def _sync(self, _: str) -> None:
        while True:
            kind, size = struct.unpack("<4sI", self._read(8))
            if kind == b"QUIT":
                return
            {b"STAT": self._stat, b"LIST": self._list, b"SEND": self._send, b"RECV": self._receive}[kind](
                self._read(size).decode()
            )

    def _stat(self, name: str) -> None:
        path = self._phone.path(name)
        found = path.stat() if path.exists() else None
        numbers = (found.st_mode, found.st_size, int(found.st_mtime)) if found else (0, 0, 0)
        self._write(b"STAT" + struct.pack("<3I", *numbers))

    def _list(self, name: str) -> None:
        path = self._phone.path(name)
        for entry in sorted(path.iterdir()) if path.is_dir() else []:
            found, title = entry.stat(), entry.name.encode()
            numbers = (found.st_mode, found.st_size, int(found.st_mtime), len(title))
            self._write(b"DENT" + struct.pack("<4I", *numbers) + title)
        self._write(b"DONE" + bytes(16))

    def _send(self, target: str) -> None:
        name, _, mode = target.rpartition(",")
        path = self._phone.path(name)
        content = b""
        while True:
            kind, size = struct.unpack("<4sI", self._read(8))
            if kind == b"DONE":
                break
            content += self._read(size)
        if self._phone.full is not None and len(content) > self._phone.full:
            said = b"write failed: No space left on device"
            self._write(b"FAIL" + struct.pack("<I", len(said)) + said)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(stat.S_IMODE(int(mode)) or 0o644)
        self._write(b"OKAY" + bytes(4))

    def _receive(self, name: str) -> None:
        path = self._phone.path(name)
        if not path.is_file():
            said = b"No such file or directory"
            self._write(b"FAIL" + struct.pack("<I", len(said)) + said)
            return
        content = path.read_bytes()
        for start in range(0, len(content), 65_536):
            part = content[start : start + 65_536]
            self._write(b"DATA" + struct.pack("<I", len(part)) + part)
        self._write(b"DONE" + bytes(4))


class Server:
    """An adb server of one's own, which knows only the phones that are plugged in."""

    def __init__(self, home: Path) -> None:
        self.environment = os.environ | {"ANDROID_ADB_SERVER_PORT": str(free_port()), "HOME": str(home)}
        self.adb("start-server")

    def adb(self, *arguments: str) -> str:
        program = shutil.which("adb")
        assert program
        done = subprocess.run(
            [program, *arguments], env=self.environment, capture_output=True, text=True, check=False, timeout=300
        )
        return done.stdout + done.stderr

    def until(self, phone: Phone, state: str) -> None:
        """Waits until the server knows that a phone is in this state."""
        for _ in range(600):
            if f"{phone.serial}\t{state}" in self.adb("devices"):
                return
            time.sleep(0.1)
        raise AssertionError(f"{phone.serial} is not {state}: {self.adb('devices')}")

    def close(self) -> None:
        self.adb("kill-server")
