"""ONNX models and PyTorch's exported programs: converted to a float ``.tflite`` in an environment of their own, and proved equal."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

from tflitekit.core.lifetime import temporary_folder
from tflitekit.options.convert import LoadOptions
from tflitekit.source.foreign.call import call
from tflitekit.source.foreign.environments import ENVIRONMENTS, Environment
from tflitekit.source.foreign.proof import prove
from tflitekit.source.kinds import register_source
from tflitekit.source.prepared import Exported, PreparedSource
from tflitekit.tflite.graph import read_graph

__all__ = ["ForeignFile"]


@dataclass
class ForeignFile:
    """A file of another framework.

    Attributes:
        name: Also that of its environment.
    """

    name: str
    suffixes: tuple[str, ...]
    shown: str | None
    has_layers: bool = False
    needs_tensorflow: bool = False

    @property
    def environment(self) -> Environment:
        """Where it is converted."""
        return ENVIRONMENTS[self.name]

    def recognizes(self, path: Path, head: bytes) -> bool:
        """Returns whether a file is of this kind: an ONNX model has no magic bytes, so that its name decides."""
        if self.name == "onnx":
            # A message of Protocol Buffers that begins with the version of ONNX's format: field 1, a number.
            return path.suffix.lower() in self.suffixes and head[:1] == b"\x08"
        return head.startswith(b"PK") and path.suffix.lower() in self.suffixes and zipfile.is_zipfile(path)

    def prepare(self, path: Path, folder: Path, how: LoadOptions) -> PreparedSource:
        """Converts a file and proves the result; it has no layers, signatures or code of its own that the other options could mean.

        Raises:
            MissingDependencyError: There is no environment for it.
            ModelError: It is refused, or what came out computes something else.
        """
        chosen = self.environment.choose(how.converter_python)
        folder.mkdir(parents=True, exist_ok=True)
        exported = Exported(folder, "tflite").path
        with temporary_folder(folder.parent, "foreign-") as work:
            answer = call(
                chosen.python,
                self.environment.script,
                path,
                work,
                batch=how.batch,
                input_shapes=how.input_shapes,
                layout="auto",
                repair=chosen.repair,
            )
            made = work / "model.tflite"
            proof = prove(
                made,
                work / "proof.npz",
                inputs=answer.inputs,
                outputs=answer.outputs,
                original=answer.original,
                origin=str(path),
            )
            made.replace(exported)
        graph = read_graph(exported)
        by_name = {spec.name: spec for spec in graph.outputs}
        notes = [*chosen.notes, str(proof)]
        if answer.moved:
            notes.append(
                f"Channels are last in the .tflite file and its contract, first in the original: {', '.join(answer.moved)} (NHWC, not NCHW)."
            )
        return PreparedSource(
            kind=self.name,
            loader=answer.original,
            form="tflite",
            inputs=graph.inputs,
            outputs=tuple(by_name[name] for name in answer.outputs),
            parameters=answer.parameters,
            notes=tuple(notes),
        )


register_source(ForeignFile("onnx", (".onnx",), "an ONNX model (.onnx)"))
register_source(ForeignFile("torch", (".pt2",), "a PyTorch program (.pt2, by torch.export.save)"))
