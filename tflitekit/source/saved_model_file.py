"""Reads what the graphs of a SavedModel would do with files, before TensorFlow loads it and runs its initializers.

Needs TensorFlow for the types of the file, and runs in a worker.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from tflitekit.core.errors import ModelError, UnreadableError
from tflitekit.core.files import MODEL_LIMIT_BYTES, decode_text, read_bytes, shortened
from tflitekit.source.allowlist import REFUSED_OPERATORS

__all__ = ["refuse_file_operators"]

_CHECKPOINTS = re.compile(r"Save(V2|Slices)?|Restore(V2|Slice)?|MergeV2Checkpoints")
_FROM_TEXT = re.compile(r"InitializeTableFromTextFile(V2)?")


def refuse_file_operators(path: Path) -> None:
    """Refuses a SavedModel whose graphs read or write files, call Python, or talk to other machines.

    Its checkpoints are read and written by functions of their own, which nothing else may call; tables are read from its assets.

    Raises:
        ModelError: It would, or it is damaged.
    """
    from google.protobuf.message import DecodeError

    model = _read(path)
    try:
        found = sorted({what for graph in model.meta_graphs for what in _suspects(graph, path)})
    except DecodeError as error:
        raise _damaged(path, error) from error
    if found:
        raise ModelError(
            f"The SavedModel {path} has {', '.join(shortened(what) for what in found[:5])}, "
            "and the kit runs nothing from a file beyond computation.",
            why="A SavedModel runs parts of itself while it loads, and could read, change or delete your files.",
            fix="If you trust where it comes from, load it with --unsafe-load.",
        )


def _read(path: Path) -> Any:
    from google.protobuf import text_format
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel()
    try:
        if (path / "saved_model.pb").is_file():
            model.ParseFromString(read_bytes(path / "saved_model.pb", MODEL_LIMIT_BYTES))
        else:
            content = read_bytes(path / "saved_model.pbtxt", MODEL_LIMIT_BYTES)
            text_format.Parse(decode_text(content, "saved_model.pbtxt"), model)
    except (DecodeError, text_format.ParseError, UnreadableError, ValueError, RecursionError) as error:
        raise _damaged(path, error) from error
    return model


def _damaged(path: Path, error: Exception) -> ModelError:
    why = shortened(str(error), 300)
    return ModelError(f"The SavedModel {path} is damaged or truncated.", why=why, fix="Copy or export it again.")


def _suspects(graph: Any, path: Path) -> Iterator[str]:
    functions = {function.signature.name: function for function in graph.graph_def.library.function}
    nodes = {node.name: node for node in graph.graph_def.node}
    saving = _saving(graph, nodes)
    computing = [node for name, node in nodes.items() if name not in saving]
    called = _reached(computing, functions) | _reached((), functions, graph.object_graph_def.concrete_functions)
    given = _assets(graph)
    assets = {_node_name(asset.tensor_info.name) for asset in given}
    for node in nodes.values():
        yield from _node(node, nodes, assets, may_save=node.name in saving)
    for name, function in functions.items():
        inner = {node.name: node for node in function.node_def}
        for node in inner.values():
            yield from _node(node, inner, set(), may_save=name not in called)
    for asset in given:
        place = PurePosixPath(asset.filename)
        if place.is_absolute() or ".." in place.parts or "\\" in asset.filename:
            yield f"the asset '{asset.filename}' outside its folder"
        elif not (path / "assets" / place).resolve().is_relative_to(path.resolve()):
            yield f"the asset '{asset.filename}', a link to a file outside of its folder"


def _assets(graph: Any) -> list[Any]:
    """Returns the files beside the graph, where version 1 of TensorFlow names them too."""
    from tensorflow.core.protobuf import meta_graph_pb2

    older = (
        graph.collection_def["saved_model_assets"].any_list.value
        if "saved_model_assets" in graph.collection_def
        else ()
    )
    return [*graph.asset_file_def, *(meta_graph_pb2.AssetFileDef.FromString(packed.value) for packed in older)]


def _node(node: Any, nodes: Mapping[str, Any], assets: set[str], *, may_save: bool) -> Iterator[str]:
    operator = node.op
    if REFUSED_OPERATORS.fullmatch(operator) or (_CHECKPOINTS.fullmatch(operator) and not may_save):
        yield f"the operator {operator}"
    elif operator == "PrintV2" and b"file" in node.attr["output_stream"].s:
        yield "the operator PrintV2 into a file"
    elif _FROM_TEXT.fullmatch(operator):
        named = _node_name(node.input[1]) if len(node.input) > 1 else ""
        while named in nodes and nodes[named].op == "Identity" and nodes[named].input:
            named = _node_name(nodes[named].input[0])
        if named in nodes and named not in assets and nodes[named].op != "Placeholder":
            yield f"the operator {operator} on a file that is not an asset"


def _saving(graph: Any, nodes: Mapping[str, Any]) -> set[str]:
    """Returns the nodes that only the reading and writing of checkpoints needs."""
    saver = graph.saver_def
    roots = {_node_name(name) for name in (saver.filename_tensor_name, saver.save_tensor_name, saver.restore_op_name)}
    outputs = {
        _node_name(info.name) for signature in graph.signature_def.values() for info in signature.outputs.values()
    }
    begun = {
        _node_name(name)
        for key in ("legacy_init_op", "saved_model_main_op", "main_op", "saved_model_init_op")
        if key in graph.collection_def
        for name in graph.collection_def[key].node_list.value
    }
    begun |= {
        _node_name(info.name)
        for key, signature in graph.signature_def.items()
        if key.startswith("__saved_model")
        for info in signature.outputs.values()
    }
    return _before(roots - {""}, nodes) - _before(outputs | begun, nodes)


def _before(names: Iterable[str], nodes: Mapping[str, Any]) -> set[str]:
    """Returns the nodes of these names and all that they depend on."""
    found: set[str] = set()
    waiting = [name for name in names if name in nodes]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [inner for given in nodes[name].input if (inner := _node_name(given)) in nodes]
    return found


def _reached(nodes: Iterable[Any], functions: Mapping[str, Any], names: Iterable[str] = ()) -> set[str]:
    """Returns the functions that nodes call, or that have these names, and all that those call."""
    found: set[str] = set()
    waiting = [name for name in names if name in functions]
    for node in nodes:
        waiting += _calls(node, functions)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            for node in functions[name].node_def:
                waiting += _calls(node, functions)
    return found


def _calls(node: Any, functions: Mapping[str, Any]) -> list[str]:
    found = [node.op, *(value.func.name for value in node.attr.values())]
    found += [function.name for value in node.attr.values() for function in value.list.func]
    return [name for name in found if name in functions]


def _node_name(tensor: str) -> str:
    return tensor.removeprefix("^").partition(":")[0]
