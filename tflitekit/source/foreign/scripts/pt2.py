"""Reads a ``.pt2`` with as little trust as can be: `torch.export.load` unpickles, evaluates expressions and loads libraries that it finds in one.

What is checked is written anew, and PyTorch reads only that, so that it cannot see another file than we did.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from answering import Refusal, line

_WRITE_IT = "Write it with torch.export.save(torch.export.export(model.eval(), (example,)), 'MODEL.pt2')."
_PARTS = re.compile(
    r"archive_format|archive_version|byteorder|\.data/(version|serialization_id)|\.format_version|\.storage_alignment"
    r"|models/\w+\.json|data/(weights|constants)/\w+\.json|data/weights/(weight_\d+|\w+\.pt)|data/constants/(tensor_\d+|\w+\.pt)|data/sample_inputs/\w+\.pt"
)
_NAMESPACES = "aten|prims|prim|higher_order|torchvision|quantized_decomposed"
_DUNDER = "__(and|or|xor|lshift|rshift|iand|ior|ixor|ilshift|irshift)__"
_FUNCTION = re.compile(
    rf"torch\.ops\.({_NAMESPACES})\.({_DUNDER}|(?!__)\w+)(\.(?!__)\w+)?|math\.(?!_)\w+|torch\.(_?sym_\w+)"
    r"|_operator\.(getitem|add|sub|mul|truediv|floordiv|mod|pow|neg|pos|abs|eq|ne|lt|le|gt|ge|and_|or_|not_|index)"
)
_EXPRESSION = re.compile(
    r"([\s\d+*/(),<>=~|&-]|\d\.\d|(?<![\w.])([a-z]{1,4}\d+|Max|Min|Mod|PythonMod|FloorDiv|CleanDiv|CeilDiv|CeilToInt|FloorToInt|IntTrueDiv"
    r"|FloatTrueDiv|FloatPow|PowByNatural|ToFloat|TruncToInt|RoundToInt|RoundDecimal|Where|LShift|RShift|ModularIndexing|Identity|Eq|Ne|Lt|Le|Gt|Ge|And|Or|Not|Abs"
    r"|floor|ceiling|true|false|True|False|oo|int_oo)(?![\w.]))*"
)
_NAME = re.compile(r"[^\"'\\()\[\]{}=;,\x00-\x1f]*")
_TREES = ("builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict", None)
_LIMIT = 1 << 28
_OLD_PROGRAM = "serialized_exported_program.json"


def trusted_copy(path: Path, folder: Path) -> Path:
    """Returns a copy that holds what a plain exported program does.

    Raises:
        Refusal: It is damaged, of another kind, or holds what runs code when it is loaded.
    """
    copy = folder / "trusted.pt2"
    try:
        with zipfile.ZipFile(path) as archive, zipfile.ZipFile(copy, "w") as written:
            for name, entry in _parts(archive, path).items():
                content = archive.read(entry)
                if name.startswith("models/"):
                    content = json.dumps(_checked(json.loads(content), path)).encode()
                elif name.startswith("data/constants/") and name.endswith(".json"):
                    content = json.dumps(_tensors_only(json.loads(content), path)).encode()
                written.writestr(f"model/{name}", content)
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, RuntimeError, LookupError, AttributeError, TypeError) as error:  # fmt: skip
        raise Refusal(
            f"{path} is damaged.", line(error), "Copy it again, or export it again with torch.export.save."
        ) from error
    return copy


def torch_version(path: Path) -> str:
    """Returns the version of PyTorch that exported it, as it says."""
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if "/models/" in name)
        return str(json.loads(archive.read(name)).get("torch_version", "an unknown version"))


def _parts(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """Returns the entries by their names without the folder that all are in."""
    entries = archive.infolist()
    packed = [entry.filename for entry in entries if entry.compress_type != zipfile.ZIP_STORED]
    if packed or sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise _suspicious(path, "It unpacks to more than it is.")
    if any(entry.header_offset < 0 for entry in entries):
        raise _suspicious(path, "A part lies before its beginning.")
    if any(entry.filename == _OLD_PROGRAM for entry in entries):
        raise _too_old(archive, path)
    parts = {entry.filename.partition("/")[2]: entry for entry in entries}
    if (
        len({name.lower() for name in parts}) != len(entries)
        or len({e.filename.partition("/")[0] for e in entries}) != 1
    ):
        raise _suspicious(path, "Two parts have the same name, or they lie in several folders.")
    if not any(name.startswith("models/") for name in parts):
        raise Refusal(
            f"{path} holds no exported program of a kind that the kit reads.",
            "It was written by torch.save, by torch.jit.save or by a PyTorch before 2.8, or its end is missing.",
            _WRITE_IT,
        )
    parts = {name: entry for name, entry in parts.items() if not name.startswith("extra/")}
    for name, entry in parts.items():
        if name.startswith("data/aotinductor/"):
            raise Refusal(f"{path} holds compiled code.", "Loading it would run that code.", _WRITE_IT)
        if name.startswith(("data/constants/custom_obj_", "data/constants/opaque_obj_")):
            raise objects(path)
        if not _PARTS.fullmatch(name):
            raise _suspicious(path, f"It holds '{name[:80]}'.")
        if name.endswith(".json") and entry.file_size > _LIMIT:
            raise _suspicious(path, f"'{name}' has {entry.file_size:,} bytes.")
    return parts


def _too_old(archive: zipfile.ZipFile, path: Path) -> Refusal:
    """Returns the refusal of a program in the format before 2.8."""
    entry = archive.getinfo(_OLD_PROGRAM)
    said = re.search(r'"torch_version": *"([\w.+-]{1,40})"', archive.read(entry)[-_LIMIT:].decode(errors="replace"))
    return Refusal(
        f"PyTorch {said[1] if said else 'before 2.8'} exported {path}, in a format that is no longer read.",
        "The kit reads what PyTorch 2.8 or newer exports.",
        f"Export it again with PyTorch {_installed()}, or any other from 2.8 on. {_WRITE_IT}",
    )


def _installed() -> str:
    """Returns the version of PyTorch here."""
    try:
        return metadata.version("torch")
    except metadata.PackageNotFoundError:
        return "2.8"


def _tensors_only(config: dict[str, Any], path: Path) -> dict[str, Any]:
    if any(not entry["path_name"].startswith("tensor_") for entry in config.get("config", {}).values()):
        raise objects(path)
    return config


def _checked(program: dict[str, Any], path: Path) -> dict[str, Any]:
    """Refuses what is looked up, evaluated or pasted into code, unless exports write such; guards, which are code, are left out."""
    program["guards_code"] = []
    for key, value in _texts(program):
        if key in ("target", "as_operator") and not _FUNCTION.fullmatch(value):
            raise Refusal(
                f"{path} calls '{value[:80]}'.",
                "The kit takes programs of PyTorch's own operators, which only compute.",
                "Export the model without it.",
            )
        if key == "expr_str" and not _EXPRESSION.fullmatch(value):
            raise _suspicious(path, f"A size in it is '{value[:80]}'.")
        if key.endswith(("name", "names", "_fqn", "fqn")) and not _NAME.fullmatch(value):
            raise _suspicious(path, f"A name in it is '{value[:80]}'.")
        if key in ("in_spec", "out_spec") and value:
            _check_tree(json.loads(value)[1], path)
    return program


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yields every text with the key that it, or the list that it is in, stands under; not what people and debuggers read."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, key)
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield "fqn", name
            if name != "metadata":
                yield from _texts(inner, name)


def _check_tree(tree: dict[str, Any], path: Path) -> None:
    if tree["type"] not in _TREES:
        raise Refusal(
            f"{path} takes or returns '{tree['type']}'.",
            "The kit reads tensors in tuples, lists and dictionaries.",
            "Export a model whose forward() takes and returns these.",
        )
    keys = json.loads(tree["context"]) if tree["context"] else None
    if keys is not None and not all(isinstance(key, str | int) for key in keys):
        raise _suspicious(path, "A dictionary in it has keys that are no texts.")
    for inner in tree["children_spec"]:
        _check_tree(inner, path)


def objects(path: Path, named: str = "") -> Refusal:
    """Returns the refusal of a file with more than tensors in it."""
    return Refusal(
        f"{path} holds Python or script objects.",
        f"Loading them runs what the file says{named and f': {named}'}.",
        "Export the model without them, so that its constants are tensors.",
    )


def _suspicious(path: Path, why: str) -> Refusal:
    return Refusal(
        f"{path} is not as PyTorch's exports are.", why, "Do not load it, or export it again with torch.export.save."
    )
