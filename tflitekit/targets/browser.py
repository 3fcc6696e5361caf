"""The web runtime (LiteRT.js) in a headless Chromium on this machine, in a fresh page and process per file."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.errors import MissingDependencyError, ModelError, UsageError
from tflitekit.core.machine import cpu_model
from tflitekit.environments.known.browser import BROWSER, MODULES, RUNTIME, TYPES
from tflitekit.results import Accelerator, Examination, Figure, Profile, TargetKind
from tflitekit.targets import Loaded, SessionFacts, Shapes, register_target
from tflitekit.targets.gpu_placement import read_placements
from tflitekit.targets.gpu_words import read_words
from tflitekit.targets.layers import layers_or_edges_of
from tflitekit.targets.remote import random_batch
from tflitekit.tflite.graph import Graph, read_graph

if TYPE_CHECKING:
    from tflitekit.targets.chromium.devtools import Chromium
    from tflitekit.targets.chromium.page import Page, PageTensor

__all__ = ["BrowserTarget"]

_CHUNK_BYTES = 64_000_000

_ELSEWHERE = "What does not run on the GPU runs in WebAssembly in browsers that have JSPI, as this one; in others the whole file does."

_SETTLING_S = 1.0
"""V8 begins with machine code that is compiled fast, and compiles again what runs often while it runs: half a second for ResNet-8."""


def _check_accelerator(word: str) -> None:
    if word not in ("", "wasm", "webgpu"):
        raise UsageError(f"The target 'browser' knows no '{word}'.", fix="Write browser or browser:webgpu.")


@register_target("browser", takes="webgpu", reads=_check_accelerator)
def open_browser(accelerator: str = "wasm") -> BrowserTarget:
    """Returns the target that computes with WebAssembly, or with WebGPU.

    Raises:
        UsageError: It is another word.
        MissingDependencyError: There is no browser, no web runtime or no WebGPU.
    """
    _check_accelerator(accelerator)
    return BrowserTarget() if accelerator == "wasm" else WebGpuTarget()


class BrowserTarget:
    """Chromium or Chrome on this machine, with WebAssembly."""

    name = "browser"
    parallel = False
    _accelerator = "wasm"

    def __init__(self) -> None:
        from tflitekit.targets.chromium.loopback import Loopback
        from tflitekit.targets.chromium.program import find_browser

        program = find_browser()
        BROWSER.require("The target 'browser'")
        with ExitStack() as stack:
            folders = {"page": Path(__file__).parent / "chromium", "npm": BROWSER.folder / MODULES}
            self._server = Loopback(folders)
            stack.callback(self._server.close)
            self._chromium = _chromium(program, self._accelerator)
            stack.callback(self._chromium.close)
            self._adapter = self._find_adapter(program)
            self._stack = stack.pop_all()
        emulated = bool(self._adapter.get("emulated"))
        self.kind: TargetKind = "emulator" if emulated else "browser"
        self.good_for: tuple[Figure, ...] = ("accuracy",) if emulated else ("latency", "memory", "accuracy")

    def _find_adapter(self, program: Path) -> Mapping[str, Any]:
        """Returns what computes for WebGPU; nothing for WebAssembly."""
        if self._accelerator == "wasm":
            return {}
        page = self._page(self.name)
        try:
            found = page.call("adapter")
        finally:
            page.close()
        if found is None:
            raise MissingDependencyError(
                f"{program} has no WebGPU on this machine.",
                fix="Use the target 'browser', which computes with WebAssembly.",
            )
        return dict(found)

    def _page(self, name: str) -> Page:
        from tflitekit.targets.chromium.page import Page

        return Page(self._chromium, self._server, name=name)

    def close(self) -> None:
        self._stack.close()

    def identity(self) -> dict[str, Any]:
        gpu = {"webgpu": f"{self._adapter['vendor']} {self._adapter['architecture']}".strip()} if self._adapter else {}
        return {
            "browser": self._chromium.version,
            "runtime": f"@litertjs/core {RUNTIME['@litertjs/core']}",
            "accelerator": self._accelerator,
            "cpu": cpu_model(),
            "cores": os.cpu_count(),
            "machine": platform.machine(),
            "system": platform.system(),
        } | gpu

    def open(self, path: Path, *, threads: int, shapes: Shapes | None = None) -> BrowserSession:
        graph = _checked(path, read_graph(path))
        if threads > 1 and self._accelerator == "webgpu":
            raise UsageError(
                "The target 'browser:webgpu' has no threads to choose: the GPU computes.", fix="Leave out --threads."
            )
        page = self._page(path.name)
        try:
            return BrowserSession(page, self._chromium, path, graph, self._accelerator, threads)
        except BaseException:
            page.close()
            raise

    def profile(self, path: Path, *, threads: int, shapes: Shapes | None = None) -> Profile:
        raise ModelError(
            "The web runtime has no profiler of operators.", fix="Profile on the host, or leave out --profile."
        )

    def model(self, path: Path, *, graph: Graph) -> BrowserModel:
        page = self._page(path.name)
        try:
            return BrowserModel(page, path, _checked(path, graph), self._accelerator)
        except BaseException:
            page.close()
            raise


class WebGpuTarget(BrowserTarget):
    """The same browser with WebGPU. Without a GPU, Chromium computes it in software (SwiftShader): then the target is an emulator."""

    name = "browser:webgpu"
    _accelerator = "webgpu"

    def examine(self, path: Path, *, graph: Graph) -> Examination:
        _checked(path, graph)
        page = self._page(path.name)
        try:
            page.call("start", self._accelerator, 1)
            found = page.load(path.read_bytes())
            words = read_words(page.words())
        finally:
            page.close()
        layers = layers_or_edges_of(path, graph)
        placements, notes = read_placements(path.name, graph.operators, layers, words, is_whole=found["full"])
        identity = self.identity()
        return Examination(
            tool=identity["runtime"],
            configuration=f"WebGPU of {identity['webgpu']}, {identity['browser']}",
            placements=placements,
            notes=tuple(notes) if found["full"] else (*notes, _ELSEWHERE),
        )


class BrowserSession:
    """A file in a page of its own that is measured."""

    def __init__(
        self, page: Page, chromium: Chromium, path: Path, graph: Graph, accelerator: str, threads: int
    ) -> None:
        from tflitekit.targets.chromium.memory import PageMemory

        self._page, self._accelerator = page, accelerator
        self._settling_s = _SETTLING_S
        if threads > (cores := page.call("cores")):  # it starts no more workers, and would wait for them for ever
            raise UsageError(
                f"A page in the browser has at most {cores} threads on this machine, one for each core; {threads} were asked for.",
                fix=f"Give --threads {cores} or fewer.",
            )
        memory = PageMemory(chromium, page)
        page.call("start", accelerator, threads)
        memory.begin()
        found = page.load(path.read_bytes())
        inputs, _ = _orders(path, graph, found["inputs"], found["outputs"])
        batch = random_batch(graph, {})
        first = page.send("first", [batch[index] for index in inputs])
        self._growth = memory.growth() if accelerator == "wasm" else None  # a GPU's is not the page's
        self._full = bool(found["full"])
        self.loaded = Loaded(init_us=found["init_us"], **first)

    def warm_up(self, runs: int, seconds: float) -> int:
        least_s, self._settling_s = self._settling_s, 0.0
        return len(self.run(runs, max(seconds, least_s))[0])

    def run(self, runs: int, seconds: float) -> tuple[NDArray[np.float64], float]:
        samples = np.asarray(self._page.call("time", runs, seconds, seconds=seconds), np.float64)
        return samples[:-1] / 1e3, float(samples[-1]) / 1e9

    def facts(self) -> SessionFacts:
        return SessionFacts(
            **self._page.call("facts"),
            peak_memory_bytes=self._growth,
            accelerator=Accelerator(
                requested=self._accelerator,
                actual=self._accelerator if self._full or self._accelerator == "wasm" else "webgpu, the rest in wasm",
                delegate="XNNPACK" if self._accelerator == "wasm" else "WebGPU",
            ),
        )

    def close(self) -> None:
        self._page.close()


class BrowserModel:
    """A file in a page of its own that computes samples."""

    def __init__(self, page: Page, path: Path, graph: Graph, accelerator: str) -> None:
        self._page, self._anew = page, graph.keeps_state
        page.call("start", accelerator, 1)
        found = page.load(path.read_bytes())
        self._inputs, self._outputs = _orders(path, graph, found["inputs"], found["outputs"])
        self._described: Sequence[PageTensor] = found["outputs"]
        self._batch = graph.batch
        each = sum(4 * tensor.size for tensor in (*found["inputs"], *found["outputs"]))
        self._most = max(1, _CHUNK_BYTES // max(1, each))

    def run(self, columns: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        batches, parts = len(columns[0]) // self._batch, []
        for start in range(0, batches, self._most):
            count = min(self._most, batches - start)
            rows = slice(start * self._batch, (start + count) * self._batch)
            given = [columns[index][rows] for index in self._inputs]
            parts.append(self._page.samples(given, count, self._described, anew=self._anew))
        found = [np.concatenate(column) for column in zip(*parts, strict=True)]
        return [found[index] for index in self._outputs]

    def close(self) -> None:
        self._page.close()


def _checked(path: Path, graph: Graph) -> Graph:
    """Refuses what the web runtime could not even be given."""
    for side, specs in (("input", graph.inputs), ("output", graph.outputs)):
        for spec in specs:
            if spec.dtype not in TYPES:
                raise ModelError(
                    f"The web runtime cannot run {path.name}: its {side} '{spec.name}' is {spec.dtype}.",
                    why=f"The tensors of LiteRT.js hold {', '.join(TYPES)} only.",
                    fix="Convert the model with float inputs and outputs (io=float32), which cost next to nothing.",
                )
    if opened := graph.open_inputs or [spec for spec in graph.inputs if -1 in spec.shape]:
        what, option = ("size", "--input-shape") if graph.open_inputs else ("batch", "--batch 1")
        raise ModelError(
            f"The web runtime cannot run {path.name}: the {what} of its input '{opened[0].name}' is open.",
            why="LiteRT.js has no way to tell it.",
            fix=f"Fix it when converting: {option}.",
        )
    return graph


def _orders(
    path: Path, graph: Graph, inputs: Sequence[PageTensor], outputs: Sequence[PageTensor]
) -> tuple[list[int], list[int]]:
    """Returns where the tensors of each side are: of the runtime's inputs among the file's, of the file's outputs among the runtime's.

    The runtime goes by the file's signature, whose order may be another one; without a signature by the file's own.
    """
    names = [[spec.name for spec in specs] for specs in (graph.inputs, graph.outputs)]
    theirs = [[tensor.name for tensor in tensors] for tensors in (inputs, outputs)]
    if not graph.signatures:
        return list(range(len(inputs))), list(range(len(outputs)))
    if [sorted(found) for found in theirs] != [sorted(wanted) for wanted in names]:
        raise ModelError(
            f"The web runtime cannot run {path.name} as the kit does: it takes {', '.join(theirs[0])} and gives {', '.join(theirs[1])}.",
            why=f"The kit knows {', '.join(names[0])} and {', '.join(names[1])}.",
        )
    return [names[0].index(name) for name in theirs[0]], [theirs[1].index(name) for name in names[1]]


def _chromium(program: Path, accelerator: str) -> Chromium:
    from tflitekit.targets.chromium.devtools import Chromium

    # Without this flag, headless Chromium has no WebGPU on Linux.
    return Chromium(program, flags=("--enable-unsafe-webgpu",) if accelerator == "webgpu" else ())
