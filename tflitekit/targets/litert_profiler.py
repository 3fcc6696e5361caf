"""The profiler of the LiteRT runtime, through the C interface of the shared library in the wheel.

Facts about the interface (names, structures, option texts) are from the headers in ``litert/c`` of the LiteRT project;
the options travel as TOML under the names ``runtime_options_string`` and ``xnnpack``. The structures are not promised to
stay, so their sizes are checked on the first events, and everything runs in a process of its own.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable, Sequence
from ctypes import Structure, byref, c_char_p, c_int, c_int32, c_size_t, c_uint32, c_uint64, c_void_p
from pathlib import Path
from typing import Any, NamedTuple

import ai_edge_litert

from tflitekit.core.errors import ModelError
from tflitekit.tflite.runtime import runtime_name

__all__ = ["Event", "ProfiledModel"]

_CPU = 1
_KERNEL, _DELEGATE_OP = 2, 8
_NAMES = ("libLiteRt.so", "libLiteRt.dylib", "LiteRt.dll")
_PLAUSIBLE_US = 600_000_000


class Event(NamedTuple):
    """One operator of one inference.

    Attributes:
        tag: The runtime's name: of a kernel as in the file, of a delegate's operator in its own words.
        microseconds: Whole ones; of a delegate's operator rounded down.
        node: The position in the file for a kernel, else None.
    """

    tag: str
    microseconds: int
    node: int | None


class _Layout(Structure):
    _fields_ = (("rank_and_flags", c_uint32), ("dimensions", c_int32 * 8), ("strides", c_uint32 * 8))


class _TensorType(Structure):
    _fields_ = (("element_type", c_int), ("layout", _Layout), ("reserve", c_uint64 * 8))


class _RawEvent(Structure):
    _fields_ = (
        ("tag", c_void_p),
        ("kind", c_uint32),  # the compiler leaves the next four bytes undefined
        ("padding", c_uint32),
        ("start_us", c_uint64),
        ("elapsed_us", c_uint64),
        ("memory", c_uint64 * 6),
        ("metadata1", c_uint64),
        ("metadata2", c_uint64),
        ("source", c_int),
    )


class ProfiledModel:
    """A file that is ready to run with the profiler at hand.

    Args:
        shapes: Of all inputs, in the file's order, where it leaves sizes open.

    Raises:
        ModelError: The runtime refuses the file, or this version of it gives no access to its profiler.
    """

    def __init__(self, path: Path, *, threads: int, shapes: Sequence[Sequence[int]] | None = None) -> None:
        self._name = path.name
        folder = Path(ai_edge_litert.__file__).parent
        library = next((folder / name for name in _NAMES if (folder / name).is_file()), None)
        if library is None:
            raise self._unavailable("the shared library is missing")
        self._library = ctypes.CDLL(str(library))
        self._kept: list[Any] = []  # what the runtime only borrows
        self._environment = self._make("LiteRtCreateEnvironment", c_int(0), None)
        model = self._make("LiteRtCreateModelFromFile", self._environment, c_char_p(os.fsencode(path)))
        options = self._make("LiteRtCreateOptions")
        self._call("LiteRtSetOptionsHardwareAccelerators", options, c_int(_CPU))
        self._add_option(options, "runtime_options_string", "enable_profiling = true\n")
        self._add_option(options, "xnnpack", f"num_threads = {threads}\n")
        self._model = self._make("LiteRtCreateCompiledModel", self._environment, model, options)
        self._profiler = self._make("LiteRtCompiledModelGetProfiler", self._model)
        if not self._profiler:
            raise self._unavailable("it returned no profiler")
        signature = self._make("LiteRtGetModelSignature", model, c_size_t(0))
        self._inputs = self._buffers(signature, "Input", self._resized(shapes) if shapes else None)
        self._outputs = self._buffers(signature, "Output", self._computed(signature) if shapes else None)

    def run(self) -> None:
        """Runs one inference on what the buffers hold, which is random memory or zeros."""
        self._call(
            "LiteRtRunCompiledModel",
            self._model,
            c_size_t(0),
            c_size_t(len(self._inputs)),
            (c_void_p * len(self._inputs))(*self._inputs),
            c_size_t(len(self._outputs)),
            (c_void_p * len(self._outputs))(*self._outputs),
        )

    def profile(self, runs: int) -> list[list[Event]]:
        """Returns the operators of each of several inferences, in the order of execution."""
        self._call("LiteRtResetProfiler", self._profiler)
        self._call("LiteRtStartProfiler", self._profiler)
        for _ in range(runs):
            self.run()
        self._call("LiteRtStopProfiler", self._profiler)
        count = c_int()
        self._call("LiteRtGetNumProfilerEvents", self._profiler, byref(count))
        raw = (_RawEvent * count.value)()
        self._call("LiteRtGetProfilerEvents", self._profiler, count, raw)
        return self._by_inference(raw, runs)

    def _by_inference(self, raw: Iterable[_RawEvent], runs: int) -> list[list[Event]]:
        inferences: list[list[Event]] = []
        for event in raw:
            kind = event.kind
            tag = ctypes.string_at(event.tag).decode(errors="replace") if event.tag else ""
            if kind == 1 and tag == "Invoke":
                inferences.append([])
            elif kind in (_KERNEL, _DELEGATE_OP) and tag != "Delegate" and inferences:
                node = int(event.metadata1) if kind == _KERNEL else None
                inferences[-1].append(Event(tag, int(event.elapsed_us), node))
        elapsed = [event.microseconds for events in inferences for event in events]
        if len(inferences) != runs or not elapsed or max(elapsed) > _PLAUSIBLE_US:
            raise self._unavailable("its events have a form that this kit does not know")
        return inferences

    def _resized(self, shapes: Sequence[Sequence[int]]) -> list[_Layout]:
        """Gives the inputs these shapes; returns their layouts."""
        layouts = []
        for index, shape in enumerate(shapes):
            dimensions = (c_int32 * len(shape))(*shape)
            self._call(
                "LiteRtCompiledModelResizeInputTensor",
                self._model,
                c_size_t(0),
                c_size_t(index),
                dimensions,
                c_size_t(len(shape)),
            )
            layouts.append(_Layout(rank_and_flags=len(shape), dimensions=(c_int32 * 8)(*shape)))
        return layouts

    def _computed(self, signature: c_void_p) -> list[_Layout]:
        """Returns the layouts of the outputs for the inputs' shapes."""
        count = c_size_t()
        self._call("LiteRtGetNumSignatureOutputs", signature, byref(count))
        layouts = (_Layout * count.value)()
        self._call(
            "LiteRtGetCompiledModelOutputTensorLayouts", self._model, c_size_t(0), count, layouts, ctypes.c_bool(True)
        )
        return list(layouts)

    def _buffers(self, signature: c_void_p, side: str, layouts: Sequence[_Layout] | None) -> list[c_void_p]:
        count = c_size_t()
        self._call(f"LiteRtGetNumSignature{side}s", signature, byref(count))
        buffers = []
        for index in range(count.value):
            tensor = self._make(f"LiteRtGetSignature{side}TensorByIndex", signature, c_size_t(index))
            kind = _TensorType()
            self._call("LiteRtGetRankedTensorType", tensor, byref(kind))
            if layouts is not None:
                kind.layout = layouts[index]
            if any(d < 1 for d in kind.layout.dimensions[: kind.layout.rank_and_flags & 0x7F]):
                raise ModelError(
                    f"{self._name} cannot be profiled: its {side.lower()} {index} has no fixed shape.",
                    fix="Convert the model with fixed shapes (--input-shape).",
                )
            needs = self._make(
                f"LiteRtGetCompiledModel{side}BufferRequirements", self._model, c_size_t(0), c_size_t(index)
            )
            buffers.append(
                self._make("LiteRtCreateManagedTensorBufferFromRequirements", self._environment, byref(kind), needs)
            )
        return buffers

    def _add_option(self, options: c_void_p, name: str, toml: str) -> None:
        text = ctypes.create_string_buffer(toml.encode())
        release = ctypes.CFUNCTYPE(None, c_void_p)(lambda _: None)
        self._kept += [text, release]
        option = self._make("LiteRtCreateOpaqueOptions", c_char_p(name.encode()), ctypes.cast(text, c_void_p), release)
        self._call("LiteRtAddOpaqueOptions", options, option)

    def _make(self, function: str, *arguments: Any) -> c_void_p:
        made = c_void_p()
        self._call(function, *arguments, byref(made))
        return made

    def _call(self, function: str, *arguments: Any) -> None:
        try:
            status = getattr(self._library, function)(*arguments)
        except AttributeError as error:
            raise self._unavailable(f"it has no {function}") from error
        if status != 0:
            raise ModelError(f"The runtime cannot profile {self._name}.", why=f"{function} returned {status}.")

    def _unavailable(self, why: str) -> ModelError:
        return ModelError(
            f"{runtime_name()} gives no access to its profiler: {why}.",
            fix="Use the version of ai-edge-litert in constraints.txt, or benchmark without --profile.",
        )
