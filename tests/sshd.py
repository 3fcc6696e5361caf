"""A real ssh server on the loopback interface, with keys, a port and a home of its own; who runs the tests logs in."""

import getpass
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from free_port import free_port

from tflitekit.targets import open_target
from tflitekit.targets.board import packages

CONFIG = """
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
SetEnv HOME={folder}/home PATH={folder}/bin
"""


class Sshd:
    """A server; `client` is what ``TFLITEKIT_SSH`` must be to log in."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "home"
        for name in ("home", "bin"):
            (folder / name).mkdir(parents=True)
        for program in ("sh", "cat"):
            (folder / "bin" / program).symlink_to(shutil.which(program))
        for key in ("host_key", "user_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
        self.port = free_port()
        (folder / "config").write_text(CONFIG.format(port=self.port, folder=folder))
        host_key = (folder / "host_key.pub").read_text().split()
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {host_key[0]} {host_key[1]}\n")
        self.client = (
            f"ssh -F none -i {folder}/user_key -oIdentitiesOnly=yes -oUserKnownHostsFile={folder}/known_hosts "
            "-oGlobalKnownHostsFile=none"
        )
        self.start()

    @property
    def board(self) -> Path:
        """What the kit puts there."""
        return self.home / ".cache" / "tflitekit" / "board"

    @property
    def target(self) -> str:
        return f"ssh:{getpass.getuser()}@127.0.0.1:{self.port}"

    def start(self) -> None:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # where a server of root locks up what has no rights yet
        log = (self.folder / "log").open("ab")
        program = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
        self.process = subprocess.Popen([program, "-D", "-e", "-f", self.folder / "config"], stdout=log, stderr=log)
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self.process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.05)

    def python(self) -> None:
        """Gives the board a Python without any package."""
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", self.folder / "python"], check=True)
        (self.folder / "bin" / "python3").symlink_to(self.folder / "python" / "bin" / "python3")

    def share_python(self) -> None:
        """Gives the board the Python of the tests, which has the runtime. While there is a file `pause`, what would run a model waits, and says so."""
        waits = f"[ -e {self.pause} ] && : > {self.paused}; while [ -e {self.pause} ]; do {shutil.which('sleep')} 0.05; done"
        script = f'#!/bin/sh\ncase "$*" in *" litert") {waits};; esac\nexec {sys.executable} "$@"\n'
        (self.folder / "bin" / "python3").write_text(script)
        (self.folder / "bin" / "python3").chmod(0o755)

    @property
    def pause(self) -> Path:
        return self.folder / "pause"

    @property
    def paused(self) -> Path:
        return self.folder / "paused"

    def cut(self) -> None:
        """Ends the processes that serve connections."""
        for serving in psutil.Process(self.process.pid).children():
            with suppress(psutil.NoSuchProcess):
                serving.kill()

    def running(self) -> list[list[str]]:
        """Returns the command lines of what runs on the board, after its process id each."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("HOME") == str(self.home):
                    found.append([str(process.pid), *process.cmdline()])
        return found

    def idle(self) -> None:
        """Waits until nothing runs there any more, as a moment after a connection is closed or cut."""
        while self.running():
            time.sleep(0.05)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    if shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin") is None or shutil.which("ssh") is None:
        absent = "There is no ssh server (Debian package openssh-server)"
        (pytest.fail if os.environ.get("CI", "").lower() == "true" else pytest.skip)(absent)
    found = Sshd(tmp_path_factory.mktemp("sshd"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFLITEKIT_SSH", found.client)
        patch.setenv("XDG_CACHE_HOME", str(found.folder / "cache"))
        # What is installed here stands for the wheels, which are downloaded; for that see test_environments.py.
        patch.setattr(packages, "unpack_wheels", installed_here)
        yield found
    found.close()


def installed_here(folder, pins, python, platforms, uv_platform, workshop):
    for name in ("ai_edge_litert", "numpy", "numpy.libs"):
        place = Path(importlib.util.find_spec("numpy").origin).parents[1] / name
        shutil.copytree(place, folder / name, ignore=shutil.ignore_patterns("*Accelerator*", "__pycache__", "tests"))
    for place in Path(importlib.util.find_spec("numpy").origin).parents[1].glob("ai_edge_litert-*.dist-info"):
        shutil.copytree(place, folder / place.name)


@pytest.fixture(scope="module")
def board(server):
    """The server with a Python, and everything installed."""
    server.python()
    with open_target(server.target):
        return server


@pytest.fixture(scope="module")
def quick_board(server):
    """The server with a Python that has the runtime: nothing needs to be sent but the worker."""
    server.share_python()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packages, "unpack_wheels", lambda folder, *others: (folder / "README").write_text("It is there."))
        with open_target(server.target):
            return server
