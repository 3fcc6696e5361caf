"""Runs in the environment of PyTorch, without the kit: a ``.pt2`` in, a float ``.tflite`` and what torch says out.

Started with the file of a request; see `tflitekit.source.foreign.call` for both sides of it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from answering import Refusal, answer, fixed_shape, is_picture, line, named, untyped
from pt2 import torch_version, trusted_copy

os.environ.update(CUDA_VISIBLE_DEVICES="", TF_CPP_MIN_LOG_LEVEL="3")


def convert(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Writes ``model.tflite`` and ``proof.npz`` into a folder; returns what the kit should know."""
    import numpy as np
    import torch

    program = _load(request["model"], folder)
    shapes, types = _inputs(program, request)
    names = list(shapes)
    moved = [place for place, name in enumerate(names) if is_picture(shapes[name], request["layout"])]
    samples = [_sample(shapes, types, seed, request["model"]) for seed in range(request["samples"])]
    turned_samples = [_turned(sample, moved) for sample in samples]
    with torch.no_grad():
        expected = [_flat(program.module()(*_arguments(program, sample))) for sample in samples]
        # Outputs of rank 4 follow the inputs.
        turned = [place for place, value in enumerate(expected[0]) if moved and value.ndim == 4]
        outputs = _output_names(program, len(expected[0]))
        network = _plain_network(program, names, moved, outputs, turned)
        _write(network, dict(zip(names, turned_samples[0], strict=True)), folder / "model.tflite", request["model"])
    arrays = {}
    for index, (sample, found) in enumerate(zip(turned_samples, expected, strict=True)):
        for place, value in enumerate(sample):
            arrays[f"{index}/in/{place}"] = value.numpy()
        for place, value in enumerate(found):
            arrays[f"{index}/out/{place}"] = _last(value).numpy() if place in turned else value.numpy()
    np.savez(folder / "proof.npz", **arrays)
    return {
        "original": f"PyTorch {torch.__version__}",
        "inputs": names,
        "outputs": outputs,
        "moved": [names[place] for place in moved] + [outputs[place] for place in turned],
        "parameters": sum(value.numel() for value in program.state_dict.values()),
        "versions": {"torch": torch.__version__},
    }


def _load(path: str, folder: Path) -> Any:
    """Loads the program; tensors only, where `torch.export.load` would run any pickle that lies in the file."""
    import torch

    copy = trusted_copy(Path(path), folder)
    load = torch.load
    torch.load = lambda *args, **how: load(*args, **{**how, "weights_only": True})
    try:
        return torch.export.load(copy)
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
    given = named(request["input_shapes"], list(wanted), request["model"])
    shapes = {
        name: fixed_shape(
            name,
            [size if isinstance(size, int) else str(size) for size in value.shape],
            given,
            request["batch"],
            request["model"],
        )
        for name, value in wanted.items()
    }
    return shapes, {name: value.dtype for name, value in wanted.items()}


def _sample(shapes: dict[str, list[int]], types: dict[str, Any], seed: int, origin: str) -> list[Any]:
    import torch

    random = torch.Generator().manual_seed(seed)
    sample = []
    for name, shape in shapes.items():
        if types[name] == torch.float32:
            sample.append(torch.randn(shape, generator=random))
        elif types[name] in (torch.int32, torch.int64, torch.bool):
            sample.append(torch.randint(0, 2, shape, generator=random).to(types[name]))
        else:
            raise untyped(name, types[name], origin)
    return sample


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


def _plain_network(program: Any, names: list[str], moved: list[int], outputs: list[str], turned: list[int]) -> Any:
    """Returns the program with tensors in and tensors out by name, pictures with the channels last."""
    import torch

    class Network(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.wrapped = program.module()

        def forward(self, **values: Any) -> dict[str, Any]:
            given = [values[name] for name in names]
            inside = [value.permute(0, 3, 1, 2) if place in moved else value for place, value in enumerate(given)]
            found = _flat(self.wrapped(*_arguments(program, inside)))
            return {
                name: _last(found[place]) if place in turned else found[place] for place, name in enumerate(outputs)
            }

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


def _output_names(program: Any, count: int) -> list[str]:
    """Returns the keys of a dictionary, or else the names in the graph."""
    import torch.utils._pytree as pytree

    found = program.call_spec.out_spec
    placed, _ = pytree.tree_flatten_with_path(pytree.tree_unflatten(list(range(count)), found))
    names = ["_".join(str(getattr(key, "key", getattr(key, "idx", key))) for key in path) for path, _ in placed]
    return [name if name and not name.isdigit() else f"output_{name or 0}" for name in names]


def _turned(sample: list[Any], moved: list[int]) -> list[Any]:
    return [_last(value) if place in moved else value for place, value in enumerate(sample)]


def _last(value: Any) -> Any:
    return value.permute(0, 2, 3, 1).contiguous()


if __name__ == "__main__":
    answer(convert)
