"""Boards behind ssh: a real server and the real client on the loopback interface, with a Python that has no packages as the board's."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

import tflitekit as tk
from tflitekit.core.errors import BusyError, DeviceError, MissingDependencyError, ModelError, StorageError, UsageError
from tflitekit.core.progress import Progress
from tflitekit.targets import open_target
from tflitekit.targets.board import packages
from tflitekit.targets.board.connection import Address, Connection
from tflitekit.targets.board.packages import Kind
from tflitekit.targets.ssh import SshTarget
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.runtime import Model

pytest_plugins = ["sshd"]

DATA = Path(__file__).parents[1] / "data"
INT8 = DATA / "converted" / "shapes" / "int8.tflite"
TOLD = {
    "system": "Linux",
    "machine": "aarch64",
    "bits": 64,
    "python": "3.11.2",
    "implementation": "CPython",
    "libc": ["glibc", "2.36"],
}


def files(folder):
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_board_without_python_is_told_what_to_install(server):
    with (
        pytest.raises(DeviceError, match=r"127\.0\.0\.1 has no Python.*\n.*Python 3\.10 to 3\.13"),
        open_target(server.target),
    ):
        pass
    assert not list(server.home.iterdir())


@pytest.mark.slow
def test_a_board_computes_what_this_host_computes_and_nothing_is_sent_twice(board, variants, shapes):
    chosen = [variants / "float32.tflite", variants / "int8.tflite"]
    found = tk.evaluate(chosen, data=shapes / "test", also_on=board.target)
    for row in found.variants:
        (there,) = row.on_targets
        assert (there.target, there.target_kind, there.provenance) == (board.target, "board", "measured")
        assert there.samples == there.identical == 120
    before = files(board.board)
    assert {Path(name).parts[0] for name in before} == {"busy", "files", "runtimes", "workers"}
    assert sum(name.endswith(".tflite") for name in before) == 2
    report = tk.benchmark(chosen, target=board.target, runs=20)
    for row in report.variants:
        assert (row.latency.target, row.latency.target_kind, row.latency.counts) == (board.target, "board", True)
        assert row.latency.runs >= 20
        assert row.latency.machine["runtime"].startswith("ai-edge-litert")
        assert row.latency.conditions.before.load is not None
    after = files(board.board)
    assert {name: stamp for name, stamp in after.items() if name != "busy"} == {
        name: stamp for name, stamp in before.items() if name != "busy"
    }
    assert [path.name for path in board.home.iterdir()] == [".cache"]
    assert [path.name for path in (board.home / ".cache").iterdir()] == ["tflitekit"]


@pytest.mark.slow
def test_several_inputs_and_a_file_that_the_board_refuses(board, tmp_path):
    path = DATA / "converted" / "two_inputs" / "float32.tflite"
    graph, generator = read_graph(path), np.random.default_rng(3)
    columns = [generator.random((3, *spec.shape[1:]), np.float32) for spec in graph.inputs]
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(path.read_bytes()[:200])
    with open_target(board.target) as place:
        model = place.model(path, graph=graph)
        there = model.run(columns)
        model.close()
        with pytest.raises(ModelError, match=r"the board .* refuses it"):
            place.model(broken, graph=graph)
    for index in range(3):
        here = Model(path).run([values[index : index + 1] for values in columns])
        for one, other in zip(here, there, strict=True):
            np.testing.assert_array_equal(one[0], other[index])


def worker_pid(board):
    (found,) = [
        int(pid)
        for pid, program, *words in board.running()
        if "python" in program and f"{board.board}/workers" in " ".join(words)
    ]
    return found


@pytest.mark.slow
def test_a_killed_worker_and_a_cut_connection_are_told_apart(board):
    board.idle()
    with open_target(board.target) as place:
        session = place.open(INT8, threads=1)
        os.kill(worker_pid(board), signal.SIGKILL)
        with pytest.raises(
            DeviceError, match=r"(?s)The worker that ran int8\.tflite on .* was ended by signal 9.*dmesg"
        ):
            session.run(5, 0)
        session.close()
        session = place.open(INT8, threads=1)
        board.cut()
        with pytest.raises(DeviceError, match=r"(?s)The connection to .* was cut.*same command again"):
            session.run(5, 0)
        session.close()
    board.idle()
    with open_target(board.target) as place:
        session = place.open(INT8, threads=1)
        assert session.warm_up(2, 0) >= 2
        session.close()


@pytest.mark.slow
def test_what_a_cut_connection_left_is_not_sent_again(board, tmp_path):
    content = np.random.default_rng(0).bytes(3_000_000)
    path = tmp_path / "large.tflite"
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    part = board.board / "files" / f"{digest}.tflite.part"
    target = SshTarget(board.target.removeprefix("ssh:"))

    class Cut(io.BytesIO):
        def read(self, size=-1):
            if self.tell() >= 2_000_000:
                while not (part.is_file() and part.stat().st_size):  # the other side has begun to write
                    time.sleep(0.05)
                board.cut()
            return super().read(size)

    with pytest.raises(DeviceError, match="was cut"):
        target._connection.call(
            target._python,
            "put",
            f"files/{digest}.tflite",
            digest,
            str(len(content)),
            "0",
            send=lambda have: Cut(content),
        )
    target.close()
    board.idle()  # what is on its way has arrived
    kept = part.stat().st_size
    assert 0 < kept < len(content)
    target, offsets = SshTarget(board.target.removeprefix("ssh:")), []
    call = target._connection.call
    target._connection.call = lambda *a, send: call(*a, send=lambda have: offsets.append(have) or send(have))
    assert target._put(f"files/{digest}.tflite", path) == str(part.with_suffix(""))
    target.close()
    assert offsets == [kept]
    assert part.with_suffix("").read_bytes() == content
    assert not part.exists()


@pytest.mark.slow
def test_a_damaged_file_and_a_full_disk(board, tmp_path):
    target = SshTarget(board.target.removeprefix("ssh:"))
    wrong = "0" * 64
    told = target._connection.call(
        target._python, "put", "files/x", wrong, "4", "0", send=lambda have: io.BytesIO(b"abcd")
    )
    assert told == {"damaged": True}
    assert not list((board.board / "files").glob("x*"))
    huge = packages.Archive(b"abcd", wrong, 10**18)
    with pytest.raises(
        StorageError, match=r"(?s)The disk of .* is full.*It takes 1000000000000 MB.*same command again"
    ):
        target._put("runtimes/x", huge)
    target.close()


@pytest.mark.slow
def test_who_measures_is_alone_there(board):
    with open_target(board.target) as one, open_target(board.target) as other:
        graph = read_graph(INT8)
        session = one.open(INT8, threads=1)
        again = one.open(INT8, threads=1)  # the same run
        for call in (lambda: other.open(INT8, threads=1), lambda: other.model(INT8, graph=graph)):
            with pytest.raises(
                BusyError, match=r"(?s)Another run uses .* on .*, since \d\d:\d\d.*Wait until it has ended"
            ):
                call()
        session.close()
        again.close()
        shared = [place.model(INT8, graph=graph) for place in (one, other)]
        with pytest.raises(BusyError):
            open_target(board.target).__enter__().open(INT8, threads=1)
        for model in shared:
            model.close()
        other.open(INT8, threads=1).close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        ("known_hosts", "", r"(?s)The host key of .* is not known here.*ssh -p \d+ .*@127\.0\.0\.1"),
        ("changed", "", r"(?s)is not the machine that it was.*ssh-keygen -R"),
        ("key", "", r"(?s)does not let you in without a password.*ssh-copy-id.*ssh -p"),
        ("port", "", r"(?s)127\.0\.0\.1 cannot be reached.*Connection refused.*its ssh server runs"),
        ("name", "", r"(?s)The name of the host in 'board\.invalid'"),
    ],
)
def test_a_board_that_lets_nobody_in(server, tmp_path, monkeypatch, change, options, said):
    client, target = server.client, server.target
    if change in ("known_hosts", "changed"):
        known = tmp_path / "known_hosts"
        other = (server.folder / "user_key.pub").read_text().split()[:2]
        known.write_text(f"[127.0.0.1]:{server.port} {' '.join(other)}\n" if change == "changed" else "")
        client = client.replace(str(server.folder / "known_hosts"), str(known))
    elif change == "key":
        client = client.replace("user_key", "host_key")
    elif change == "port":
        target = "ssh:root@127.0.0.1:1"
    else:
        target = "ssh:board.invalid"
    monkeypatch.setenv("TFLITEKIT_SSH", client)
    with pytest.raises(DeviceError, match=said), open_target(target):
        pass


def test_a_machine_without_a_client(monkeypatch):
    monkeypatch.setenv("TFLITEKIT_SSH", "no-such-ssh")
    with (
        pytest.raises(MissingDependencyError, match=r"no 'no-such-ssh'.*\n.*openssh-client"),
        open_target("ssh:pi@board"),
    ):
        pass


def test_a_board_that_never_answers(tmp_path, monkeypatch):
    client = tmp_path / "client"
    client.write_text(
        '#!/bin/sh\ncase "$*" in *tflitekit-is-here*) echo tflitekit-is-here; exec cat;; *) exec sleep 60;; esac\n'
    )
    client.chmod(0o755)
    monkeypatch.setenv("TFLITEKIT_SSH", str(client))
    monkeypatch.setattr("tflitekit.targets.board.connection._CALL_S", 0.1)
    with (
        pytest.raises(DeviceError, match=r"(?s)pi@board has not answered for 0\.1 s.*restart it"),
        open_target("ssh:pi@board"),
    ):
        pass


def test_addresses():
    for text, wanted in (
        ("pi@board", ("pi@board", None)),
        ("board", ("board", None)),
        ("pi@10.0.0.7:2222", ("pi@10.0.0.7", "2222")),
        ("pi@[fe80::1%eth0]:22", ("pi@fe80::1%eth0", "22")),
    ):
        found = Address.parse(text)
        assert (found.destination, found.port) == wanted
    for text in ("-oProxyCommand=reboot", "pi@-x", "pi@", "pi@board:x", "pi@board/x", "a b", "pi@board:2222222"):
        with pytest.raises(UsageError, match="Write ssh:USER@HOST"):
            Address.parse(text)
    with pytest.raises(UsageError, match="none is named"):
        SshTarget()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"machine": "armv7l", "bits": 32}, "32-bit Python on Linux armv7l.*Raspberry Pi OS, 64-bit"),
        ({"bits": 32}, "32-bit Python on Linux aarch64"),
        ({"libc": ["", ""]}, "another C library than glibc"),
        ({"libc": ["glibc", "2.24"]}, "glibc 2.24"),
        ({"python": "3.9.2"}, "CPython 3.9.2.*python3.13"),
        ({"implementation": "PyPy"}, "PyPy"),
        ({"system": "Darwin"}, "64-bit Python on Darwin"),
    ],
)
def test_a_board_for_which_there_is_no_runtime(change, said):
    assert Kind.of(TOLD, "pi@board") == Kind("aarch64", "3.11")
    with pytest.raises(DeviceError, match=f"(?s)pi@board has (a )?{said}"):
        Kind.of(TOLD | change, "pi@board")


def test_the_same_files_make_the_same_archive():
    one = packages.Archive.of([("b", b"2"), ("a", b"1")])
    assert one == packages.Archive.of([("a", b"1"), ("b", b"2")])
    assert (len(one.digest), one.unpacked) == (64, 2)
    assert packages.worker_archive().unpacked > 0


def test_wheels_are_fetched_once(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    calls = []

    def unpack(folder, pins, python, platforms, uv_platform, workshop):
        calls.append((pins["numpy"], python, platforms[0], uv_platform))
        (folder / "numpy.py").write_text("x = 1\n")

    monkeypatch.setattr(packages, "unpack_wheels", unpack)
    one, two = (packages.runtime_archive(Kind("aarch64", "3.12"), Progress()) for _ in range(2))
    assert one == two
    assert one.unpacked == 6
    assert calls == [("2.2.6", "3.12", "manylinux_2_27_aarch64", "aarch64-manylinux_2_28")]


@pytest.mark.slow
def test_a_shell_that_prints_before_each_command(server):
    """As it disturbs scp and rsync, too."""
    (server.home / ".bashrc").write_text("echo Welcome to the board\n")
    (server.home / ".zshenv").write_text("echo Welcome to the board\n")
    try:
        with pytest.raises(
            DeviceError,
            match=r"(?s)prints something before each command.*Welcome to the board.*interactive shells only",
        ):
            Connection(Address.parse(server.target.removeprefix("ssh:")))
    finally:
        (server.home / ".bashrc").unlink()
        (server.home / ".zshenv").unlink()


@pytest.mark.slow
@pytest.mark.thorough
def test_optimize_for_a_board_measures_there_and_recommends_by_it(board, variants, shapes, tmp_path):
    report = tk.optimize(
        variants / "float32.tflite",
        data=shapes / "test",
        calibration=shapes / "train",
        schemes=["int8"],
        target=board.target,
        constraints=tk.Constraints(deploy_on="raspberry-pi"),
        out=tmp_path / "build",
    )
    assert [row.name for row in report.variants] == ["float32", "int8"]
    for row in report.variants:
        assert (row.latency.target, row.latency.target_kind, row.latency.counts) == (board.target, "board", True)
    reasons = " ".join(report.recommendation.reasons)
    assert f"on {board.target}" in reasons and "operators run on the CPU (by its profile" in reasons
