"""Float ``.tflite`` files of any producer: the file itself is the baseline, and no TensorFlow is needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tflitekit.core.errors import ModelError, UsageError
from tflitekit.core.files import MODEL_LIMIT_BYTES, read_bytes, write_whole
from tflitekit.options.convert import LoadOptions
from tflitekit.source.few_samples import FewSamples
from tflitekit.source.kinds import register_source
from tflitekit.source.prepared import Exported, PreparedSource, dynamic_notes, named_shapes
from tflitekit.tflite.flatbuffer import DTYPES, QUANTIZED, Reader, name_of, read_with
from tflitekit.tflite.graph import Graph, read_graph
from tflitekit.tflite.proof import Proof
from tflitekit.tflite.reshape import with_shapes
from tflitekit.tflite.runtime import Model

__all__ = ["TfliteFile"]

_ELSE = "Measure it with 'tflitekit evaluate', 'benchmark' or 'inspect', and put it into an app with 'bundle'"


class TfliteFile:
    """A float ``.tflite`` file with one entry point."""

    name = "tflite"
    shown: str | None = "a float .tflite file"
    suffixes: tuple[str, ...] = (".tflite",)
    has_layers = False
    needs_tensorflow = False
    converter: None = None

    def recognizes(self, path: Path, head: bytes) -> bool:
        """Returns whether a file is a TensorFlow Lite model."""
        return head[4:8] == b"TFL3"

    def prepare(self, path: Path, folder: Path, how: LoadOptions, samples: FewSamples) -> PreparedSource:
        """Checks the file and copies it, byte for byte unless open sizes are to be fixed; it runs no code when it is loaded, and
        has no layers that ``how.custom_objects`` could be.

        Raises:
            ModelError: It is quantized, has operators that the runtime lacks, or several entry points, or keeps variables.
        """
        graph = read_graph(path)
        _require_float(path, graph)
        _require_supported(path, graph, how.signature)
        _require_names(path, graph)
        _require_finite(path)
        content = read_bytes(path, MODEL_LIMIT_BYTES)
        shapes = _shapes(graph, how.batch, how.input_shapes, str(path))
        if shapes:
            content = with_shapes(content, path, shapes)
        folder.mkdir(parents=True, exist_ok=True)
        exported = Exported(folder, "tflite").path
        write_whole(exported, content)
        graph = Model(exported).graph  # which loads it: custom operators may be missing
        return PreparedSource(
            kind=self.name,
            loader=_loader(graph),
            form="tflite",
            inputs=graph.inputs,
            outputs=graph.outputs,
            parameters=graph.parameters,
            notes=tuple(dynamic_notes([spec for spec in graph.inputs if spec.is_open])),
            proof=Proof(original=_loader(graph), why="The file given is the baseline itself: nothing was converted."),
        )


def _loader(graph: Graph) -> str:
    return f".tflite file ({graph.description})" if graph.description else ".tflite file"


def _require_float(path: Path, graph: Graph) -> None:
    """Refuses a file that is quantized already: rounding twice would be worse than rounding once, and not comparable."""
    types = sorted(read_with(path, _quantized_types))
    if not types:
        return
    hybrid = any(op.compute == "hybrid" for op in graph.ops)
    if types == ["float16"]:
        what = "its weights are float16"
    elif hybrid:
        what = f"weights in {' and '.join(types)}, activations in float (dynamic range)"
    elif graph.integer_op_fraction == 1:
        what = f"weights and activations in {' and '.join(types)} (full integer)"
    else:
        what = f"{graph.integer_op_fraction or 0:.0%} of its operators compute in integers, values in {' and '.join(types)}"
    raise ModelError(
        f"{path} is already quantized: {what}.",
        why="Quantizing needs the float model: what was rounded away cannot be found again.",
        fix=f"Give the float .tflite file, or the model it was made from. {_ELSE}.",
    )


def _quantized_types(reader: Reader) -> set[str]:
    """Returns the types of quantized tensors, and float16 where constants have it."""
    found = set()
    for subgraph in reader.subgraphs:
        for index in range(subgraph.TensorsLength()):
            tensor = subgraph.Tensors(index)
            dtype, quantization = DTYPES.get(tensor.Type(), "?"), tensor.Quantization()
            scaled = quantization is not None and quantization.ScaleLength() > 0
            if (scaled and dtype in QUANTIZED) or (dtype == "float16" and reader.buffer_bytes[tensor.Buffer()]):
                found.add(dtype)
    return found


def _require_supported(path: Path, graph: Graph, signature: str | None) -> None:
    keys = [found.key for found in graph.signatures]
    if len(keys) > 1:
        raise ModelError(
            f"{path} has {len(keys)} entry points (signatures): {', '.join(keys)}.",
            why="The kit quantizes and measures files with one.",
            fix="Export each of them to a separate file.",
        )
    if signature is not None and signature not in keys:
        raise ModelError(
            f"{path} has no signature '{signature}'.",
            why=f"Its signatures: {', '.join(keys) or 'none'}.",
            fix="Leave out --signature.",
        )
    if graph.select_tf_ops:
        raise ModelError(
            f"{path} needs the TensorFlow operators {', '.join(graph.select_tf_ops)}.",
            why="They run in TensorFlow's Flex delegate, which LiteRT does not have, so the file cannot be calibrated or measured here.",
            fix="Replace them by supported layers and export again, or give the model it was made from and --allow-select-tf-ops.",
        )
    if graph.custom_ops and not _runs(path, graph):
        raise ModelError(
            f"{path} has the custom operator{'s' if len(graph.custom_ops) > 1 else ''} {', '.join(graph.custom_ops)}.",
            why="The runtime here has no kernel for it: only the app that brings it can run the file.",
            fix="Export the model without it, and do what it does in the app.",
        )
    if graph.keeps_state and not graph.resettable:
        raise ModelError(
            f"{path} keeps values in variables from one inference to the next.",
            why="The runtime cannot reset them, so calibration samples would depend on their order.",
            fix=f"Export it with the state as an input and an output. {_ELSE}.",
        )


def _require_names(path: Path, graph: Graph) -> None:
    """Refuses a file whose inputs or outputs cannot be told apart: samples, contract and app address them by their names."""
    for kind, specs in (("inputs", graph.inputs), ("outputs", graph.outputs)):
        names = [spec.name for spec in specs]
        twice = kind == "inputs" and len(set(names)) < len(names)  # an output may be given twice, with one name
        if len(names) > 1 and ("" in names or twice):
            raise ModelError(
                f"The {kind} of {path} cannot be told apart by their names: {', '.join(repr(name) for name in names)}.",
                why="Samples, contract and app address them by name, and the file has no signature that would give them some.",
                fix="Export it again with a signature, or with a name for each.",
            )


def _runs(path: Path, graph: Graph) -> bool:
    try:
        Model(path, graph=graph).release()
    except ModelError:
        return False
    return True


def _require_finite(path: Path) -> None:
    bad = read_with(path, lambda reader: list(_not_finite(reader)))
    if bad:
        raise ModelError(
            f"{path} has weights that are NaN or infinite: {', '.join(bad[:5])}" + (", ..." if len(bad) > 5 else "."),
            why="Training diverged before it was exported, or the file is damaged.",
            fix="Export an earlier checkpoint.",
        )


def _not_finite(reader: Reader) -> Iterator[str]:
    """Yields constants that are NaN or infinite; minus infinity is what masks and the padding of a maximum have."""
    main = reader.subgraphs[0]
    for tensor in (main.Tensors(i) for i in range(main.TensorsLength())):
        constant = DTYPES.get(tensor.Type()) == "float32" and reader.buffer_bytes[tensor.Buffer()]
        if constant and not (reader.constant(tensor) < float("inf")).all():
            yield name_of(tensor)


def _shapes(
    graph: Graph, batch: int, input_shapes: Mapping[str, Sequence[int]], origin: str
) -> dict[str, tuple[int, ...]]:
    """Returns the whole shapes of the inputs that must be fixed: those that the user gave, and an open batch other than 1."""
    given = named_shapes(input_shapes, [spec.name for spec in graph.inputs], origin)
    found = {}
    for spec in graph.inputs:
        first = spec.shape[0] if spec.shape else 1
        if spec.name in given:
            wanted = (batch if first == -1 else first, *given[spec.name])
        elif first == -1 and batch != 1:
            wanted = (batch, *spec.shape[1:])
        else:
            continue
        fits = len(wanted) == len(spec.shape) and all(
            have in (-1, want) for have, want in zip(spec.shape, wanted, strict=True)
        )
        if not fits:
            raise UsageError(
                f"The input '{spec.name}' of {origin} takes {list(spec.shape)}, and --input-shape asks for {list(wanted)}.",
                why="Sizes that are fixed in a .tflite file stay fixed; -1 means open.",
                fix="Give the sizes that are open, without the batch.",
            )
        if wanted != spec.shape:
            found[spec.name] = wanted
    return found


register_source(TfliteFile())
