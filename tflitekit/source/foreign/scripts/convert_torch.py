"""Runs in the environment of PyTorch, without the kit: a ``.pt2`` in, a float ``.tflite`` and what torch says out.

Started with the file of a request; see `tflitekit.source.foreign.call` for both sides of it.
"""

from __future__ import annotations

import os
import pickle
import re
from pathlib import Path
from typing import Any

from answering import (
    Refusal,
    answer,
    fixed_shapes,
    is_picture,
    last_shape,
    line,
    read_samples,
    untyped,
    write_reference,
)
from pt2 import objects, torch_version, trusted_copy
from values import SAMPLES, Values, write_values

_TYPES = ("float32", "int32", "int64", "bool", "uint8", "int8")

os.environ.update(CUDA_VISIBLE_DEVICES="", TF_CPP_MIN_LOG_LEVEL="3")


def convert(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Says what the program takes; with samples, writes ``model.tflite`` and ``reference.npz`` too."""
    import torch

    origin = request["model"]
    program = _load(origin, folder)
    shapes, types = _inputs(program, request)
    moved = [is_picture(shape, request["layout"]) for shape in shapes.values()]
    inputs = [
        {"name": name, "shape": last_shape(shape) if m else shape, "dtype": _dtype(name, types[name], origin)}
        for (name, shape), m in zip(shapes.items(), moved, strict=True)
    ]
    if request["task"] == "describe":
        return {"inputs": inputs, "moved": [name for name, is_moved in zip(shapes, moved, strict=True) if is_moved]}
    samples = [[torch.from_numpy(value) for value in row] for row in read_samples(folder, moved)]
    with torch.no_grad():
        expected = [_tensors(program.module()(*_arguments(program, sample)), origin) for sample in samples]
        # Outputs of rank 4 follow the inputs.
        turned = [any(moved) and value.ndim == 4 for value in expected[0]]
        network = _plain_network(program, moved, turned)
        given = {f"in{i}": _last(v) if m else v for i, (v, m) in enumerate(zip(samples[0], moved, strict=True))}
        _write(network, given, folder / "model.tflite", origin)
        few = [_arguments(program, sample) for sample in samples[:SAMPLES]]
        notes = write_values(folder, lambda: _values(program.module(), few))
    write_reference(
        folder, [[(_last(v) if t else v).numpy() for v, t in zip(row, turned, strict=True)] for row in expected]
    )
    outputs = _output_names(program, len(expected[0]))
    return {
        "original": f"PyTorch {torch.__version__}",
        "inputs": inputs,
        "outputs": outputs,
        "moved": [name for name, is_moved in zip((*shapes, *outputs), (*moved, *turned), strict=True) if is_moved],
        "parameters": sum(value.numel() for value in program.state_dict.values()),
        "notes": notes,
        "versions": {"torch": torch.__version__},
    }


def _load(path: str, folder: Path) -> Any:
    """Loads the program as `torch.export.load` does, which keeps back why it cannot; tensors only, where that would run any pickle."""
    import torch
    from torch.export.pt2_archive._package import load_pt2

    copy = trusted_copy(Path(path), folder)
    load = torch.load
    torch.load = lambda *args, **how: load(*args, **{**how, "weights_only": True})
    try:
        return load_pt2(str(copy)).exported_programs["model"]
    except pickle.UnpicklingError as error:
        raise objects(Path(path), ", ".join(re.findall(r"GLOBAL (\S+)", str(error)))) from error
    except Exception as error:
        exported = torch_version(copy)
        raise Refusal(
            f"PyTorch {torch.__version__} cannot read {path}.",
            line(error),
            "Copy it again, or export it again."
            if exported == torch.__version__
            else f"PyTorch {exported} exported it: export it again with {torch.__version__}, or convert it with a Python that has "
            f"{exported}: --with PYTHON.",
        ) from error
    finally:
        torch.load = load


def _inputs(program: Any, request: dict[str, Any]) -> tuple[dict[str, list[int]], dict[str, Any]]:
    """Returns the whole shapes and the types of the inputs; sizes that the program leaves open are the user's, or refused."""
    values = {node.name: node.meta["val"] for node in program.graph.nodes if node.op == "placeholder"}
    wanted = {
        name: values[name] for name in program.graph_signature.user_inputs if isinstance(name, str) and name in values
    }
    shapes = fixed_shapes(
        {
            name: [size if isinstance(size, int) else str(size) for size in value.shape]
            for name, value in wanted.items()
        },
        request,
    )
    return shapes, {name: value.dtype for name, value in wanted.items()}


def _dtype(name: str, kind: Any, origin: str) -> str:
    shown = str(kind).removeprefix("torch.")
    if shown not in _TYPES:
        raise untyped(name, shown, origin)
    return shown


def _arguments(program: Any, flat: list[Any]) -> list[Any]:
    import torch.utils._pytree as pytree

    positional, keywords = pytree.tree_unflatten(flat, program.call_spec.in_spec)
    if keywords:
        raise Refusal(
            "The program takes keyword arguments.",
            "The kit calls models by position.",
            "Export it with positional ones.",
        )
    return list(positional)


def _flat(outputs: Any) -> list[Any]:
    import torch.utils._pytree as pytree

    return list(pytree.tree_leaves(outputs))


def _tensors(outputs: Any, origin: str) -> list[Any]:
    import torch

    found = _flat(outputs)
    if other := next((value for value in found if not isinstance(value, torch.Tensor)), None):
        raise Refusal(
            f"{origin} returns a {type(other).__name__} beside its tensors.",
            "A .tflite file returns tensors only.",
            "Export a model that returns tensors.",
        )
    return found


def _plain_network(program: Any, moved: list[bool], turned: list[bool]) -> Any:
    """Returns the program with tensors ``in0`` on in and ``out0`` on out, pictures with the channels last."""
    import torch

    class Network(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.wrapped = program.module()

        def forward(self, **values: Any) -> dict[str, Any]:
            given = [values[f"in{place}"] for place in range(len(moved))]
            inside = [v.permute(0, 3, 1, 2) if m else v for v, m in zip(given, moved, strict=True)]
            found = _flat(self.wrapped(*_arguments(program, inside)))
            return {f"out{i}": _last(v) if t else v for i, (v, t) in enumerate(zip(found, turned, strict=True))}

    return Network()


def _write(network: Any, sample: dict[str, Any], path: Path, origin: str) -> None:
    import litert_torch

    try:
        litert_torch.convert(network, sample_kwargs=sample).export(str(path))
    except Exception as error:
        raise Refusal(
            f"litert-torch cannot convert {origin}.",
            line(error),
            "Replace the operator that is named, and export again; fixed sizes (no dynamic_shapes) convert more often.",
        ) from error


def _values(module: Any, samples: list[list[Any]]) -> Values:
    """Runs a program node by node; a node belongs to the innermost module that it is in, or else is called as the program calls it."""
    import torch

    values = Values()
    nodes = [node for node in module.graph.nodes if node.op in ("placeholder", "call_function") and node.users]
    for node in nodes:
        path = [name for name, _ in (node.meta.get("nn_module_stack") or {}).values()][-1:]
        constants = [_attribute(module, one.target) for one in node.all_input_nodes if one.op == "get_attr"]
        sizes = [one.numel() for one in constants if isinstance(one, torch.Tensor) and one.ndim > 1]
        layer = None if node.op == "placeholder" else (path and path[0]) or node.name
        reads = [one.name for one in node.all_input_nodes if one.op != "get_attr"]
        values.add(node.name, layer, reads, max(sizes, default=0))

    class Looking(torch.fx.Interpreter):  # type: ignore[misc]
        def run_node(self, node: Any) -> Any:
            found = super().run_node(node)
            if node in nodes:
                values.see(node.name, _plain(found))
            return found

    for sample in samples:
        Looking(module).run(*sample)
    return values


def _plain(value: Any) -> Any:
    import torch

    return value.float().numpy() if isinstance(value, torch.Tensor) and value.is_floating_point() else 0


def _attribute(module: Any, path: str) -> Any:
    for name in path.split("."):
        module = getattr(module, name)
    return module


def _output_names(program: Any, count: int) -> list[str]:
    """Returns the keys of a dictionary, or else the names in the graph."""
    import torch.utils._pytree as pytree

    found = program.call_spec.out_spec
    placed, _ = pytree.tree_flatten_with_path(pytree.tree_unflatten(list(range(count)), found))
    names = ["_".join(str(getattr(key, "key", getattr(key, "idx", key))) for key in path) for path, _ in placed]
    return [name if name and not name.isdigit() else f"output_{name or 0}" for name in names]


def _last(value: Any) -> Any:
    return value.permute(0, 2, 3, 1).contiguous()


if __name__ == "__main__":
    answer(convert)
