"""ONNX models and PyTorch's exported programs: converted to a float ``.tflite`` in an environment of their own, and proved equal."""

from __future__ import annotations

import functools
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tflitekit.core.errors import DataError
from tflitekit.core.files import MODEL_LIMIT_BYTES, read_bytes, write_whole
from tflitekit.core.lifetime import temporary_folder
from tflitekit.options.convert import LoadOptions
from tflitekit.source.few_samples import FewSamples
from tflitekit.source.foreign.call import Answer, call
from tflitekit.source.foreign.converters import CONVERTERS, Converter
from tflitekit.source.foreign.names import named_as_original
from tflitekit.source.kinds import register_source
from tflitekit.source.prepared import Exported, PreparedSource, require_batch
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.proof import write_reference
from tflitekit.tflite.rename import with_names

__all__ = ["ForeignFile"]


@dataclass
class ForeignFile:
    """A file of another framework.

    Attributes:
        name: Also that of its converter.
    """

    name: str
    suffixes: tuple[str, ...]
    shown: str | None
    has_layers: bool = False
    needs_tensorflow: bool = False

    @property
    def converter(self) -> Converter:
        """What converts it."""
        return CONVERTERS[self.name]

    def recognizes(self, path: Path, head: bytes) -> bool:
        """Returns whether a file is of this kind: an ONNX model has no magic bytes, so that its name decides."""
        if self.name == "onnx":
            # A message of Protocol Buffers that begins with the version of ONNX's format: field 1, a number.
            return path.suffix.lower() in self.suffixes and head[:1] == b"\x08"
        return head.startswith(b"PK") and path.suffix.lower() in self.suffixes and zipfile.is_zipfile(path)

    def prepare(self, path: Path, folder: Path, how: LoadOptions, samples: FewSamples) -> PreparedSource:
        """Converts a file; it has no layers, signatures or code of its own that the other options could mean.

        Raises:
            MissingDependencyError: There is no environment for it.
            ModelError: It is refused.
            DataError: The user's samples do not fit its inputs.
        """
        chosen = self.converter.choose(how.converter_python)
        folder.mkdir(parents=True, exist_ok=True)
        exported = Exported(folder, "tflite")
        with temporary_folder(folder.parent, "foreign-") as work:
            ask = functools.partial(
                call,
                chosen.python,
                self.converter.script,
                path,
                work,
                batch=how.batch,
                input_shapes=how.input_shapes,
                layout=how.layout,
                repair=chosen.repair,
            )
            described = ask(task="describe")  # before minutes of work
            require_batch(described.inputs, how.batch, str(path))
            write_reference(work / "samples.npz", _rows(samples, described))
            answer = ask(task="convert")
            names = {f"in{i}": spec.name for i, spec in enumerate(answer.inputs)}
            names |= {f"out{i}": name for i, name in enumerate(answer.outputs)}
            content = with_names(read_bytes(work / "model.tflite", MODEL_LIMIT_BYTES), names)
            content, layers = named_as_original(content, work, [spec.name for spec in answer.inputs])
            write_whole(exported.path, content)
            (work / "reference.npz").replace(exported.reference)
        graph = read_graph(exported.path)
        by_name = {spec.name: spec for spec in (*graph.inputs, *graph.outputs)}
        notes = [*chosen.notes, *answer.notes]
        if answer.moved:
            notes.append(
                f"Channels are last in the .tflite file and its contract, first in the original: {', '.join(answer.moved)} (NHWC, not NCHW)."
            )
        return PreparedSource(
            kind=self.name,
            loader=answer.original,
            form="tflite",
            inputs=tuple(by_name[spec.name] for spec in answer.inputs),
            outputs=tuple(by_name[name] for name in answer.outputs),
            parameters=answer.parameters,
            layers=layers,
            notes=tuple(notes),
            compared_on=samples.origin,
        )


def _rows(samples: FewSamples, described: Answer) -> list[list[NDArray[Any]]]:
    try:
        return samples.of(described.inputs)
    except DataError as error:
        if not described.moved:
            raise
        raise DataError(
            error.what,
            why=f"Channels are last here in {', '.join(described.moved)}, and first in the original.",
            fix="Give the data with the channels last, or leave them first with --layout keep.",
        ) from error


register_source(ForeignFile("onnx", (".onnx",), "an ONNX model (.onnx)"))
register_source(ForeignFile("torch", (".pt2",), "a PyTorch program (.pt2, by torch.export.save)"))
