"""What is taken out of a ``.pt2`` before PyTorch reads it: `torch.export.load` runs what such a file says in many ways."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import DATA

from tflitekit.source.foreign.converters import SCRIPTS

CONV = DATA / "foreign" / "conv.pt2"


@pytest.fixture
def pt2(monkeypatch):
    """The module as the converter imports it."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    yield __import__("pt2")
    for name in ("pt2", "answering"):
        sys.modules.pop(name, None)


def parts() -> dict[str, bytes]:
    with zipfile.ZipFile(CONV) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path: Path, content: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def program(change) -> dict[str, bytes]:
    """The parts of a file whose program was changed."""
    content = parts()
    found = json.loads(content["conv/models/model.json"])
    change(found)
    return content | {"conv/models/model.json": json.dumps(found).encode()}


def test_a_plain_program_is_taken_but_for_its_guards(pt2, tmp_path):
    content = program(lambda found: found.update(guards_code=["__import__('os').system('true')"]))
    content["conv/extra/notes.txt"] = b"mine"
    copy = pt2.trusted_copy(write(tmp_path / "m.pt2", content), tmp_path)
    with zipfile.ZipFile(copy) as archive:
        assert {name.partition("/")[2] for name in archive.namelist()} == {name.partition("/")[2] for name in parts()}
        assert json.loads(archive.read("model/models/model.json"))["guards_code"] == []
        assert archive.read("model/data/weights/weight_0") == parts()["conv/data/weights/weight_0"]
    assert pt2.torch_version(copy).startswith("2.14.1")


def node(found):
    return found["graph_module"]["graph"]["nodes"][0]


@pytest.mark.parametrize(
    "function",
    [
        "torch.hub.load", "torch.load", "torch.ops.load_library", "torch.ops.aten.add.__globals__", "_operator.attrgetter", "os.system", "#mine",
        "torch.ops.mine.add.default", "torch.ops.aten.__class__",
    ],
)  # fmt: skip
def test_functions_that_are_no_operators(pt2, tmp_path, function):
    path = write(tmp_path / "m.pt2", program(lambda found: node(found).update(target=function)))
    with pytest.raises(pt2.Refusal, match=f"calls '{function}'"):
        pt2.trusted_copy(path, tmp_path)


@pytest.mark.parametrize(
    ("size", "fine"),
    [
        ("s0*s1 + 2", True), ("Max(1, FloorDiv(s77, 2)) - 1", True), ("1.5*s0", True), ("u0 >= 3", True),
        ("__import__('os').system('true')", False), ("exec(s0)", False), ("s0.evalf", False), ("Max.args", False), ("().x", False),
        ("[1]", False), ("open(1)", False), ("a1(lambda: 1)", False),
    ],
)  # fmt: skip
def test_sizes_are_arithmetic(pt2, tmp_path, size, fine):
    content = program(lambda found: node(found)["inputs"].append({"name": "n", "arg": {"as_sym_int": {"as_expr": {"expr_str": size}}}, "kind": 1}))  # fmt: skip
    path = write(tmp_path / "m.pt2", content)
    if fine:
        assert pt2.trusted_copy(path, tmp_path).is_file()
    else:
        with pytest.raises(pt2.Refusal, match="not as PyTorch's exports are"):
            pt2.trusted_copy(path, tmp_path)


def tree(kind, context="null"):
    leaf = {"type": kind, "context": context, "children_spec": []}
    return json.dumps([1, {"type": "builtins.tuple", "context": "null", "children_spec": [leaf]}])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: node(p)["inputs"][0].update(name="x=__import__('os'), y"), "A name in it"),
        (lambda p: node(p).update(name='x"'), "A name in it"),
        (lambda p: p["graph_module"]["module_call_graph"][0]["signature"].update(in_spec=tree("collections.defaultdict")), "takes or returns"),
        (lambda p: p["graph_module"]["module_call_graph"][0]["signature"].update(out_spec=tree("builtins.dict", '[{"__enum__": true}]')), "keys that are no texts"),
        (lambda p: p["graph_module"]["module_call_graph"][0]["signature"].update(out_spec="[1]"), "is damaged"),
    ],
)  # fmt: skip
def test_names_and_trees(pt2, tmp_path, change, words):
    with pytest.raises(pt2.Refusal) as refused:
        pt2.trusted_copy(write(tmp_path / "m.pt2", program(change)), tmp_path)
    assert words in " ".join(refused.value.words.values())


OBJECT = json.dumps({"config": {"x": {"path_name": "opaque_obj_0"}}}).encode()


@pytest.mark.parametrize(
    ("added", "words"),
    [
        ({"conv/data/aotinductor/model/lib.so": b"\x7fELF"}, "compiled code"),
        ({"conv/data/constants/custom_obj_0": b""}, "Python or script objects"),
        ({"conv/data/constants/model_constants_config.json": OBJECT}, "Python or script objects"),
        ({"conv/../../evil": b""}, r"holds '\.\./\.\./evil'"),
        ({"other/models/more.json": b"{}"}, "several folders"),
        ({"conv/MODELS/model.json": b"{}"}, "Two parts have the same name"),
        ({"conv/models/model.json": b"{"}, "is damaged"),
        ({"conv/models/model.json": b"[" * 100000}, "is damaged"),
    ],
)
def test_archives_that_no_export_writes(pt2, tmp_path, added, words):
    with pytest.raises(pt2.Refusal) as refused:
        pt2.trusted_copy(write(tmp_path / "m.pt2", parts() | added), tmp_path)
    assert __import__("re").search(words, " ".join(refused.value.words.values()))


def test_packed_and_overlapping_parts_are_not_unpacked(pt2, tmp_path):
    bomb = write(tmp_path / "bomb.pt2", parts() | {"conv/data/weights/weight_9": bytes(1 << 24)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(pt2.Refusal) as refused:
        pt2.trusted_copy(bomb, tmp_path)
    assert "unpacks to more than it is" in refused.value.words["why"]


def test_truncated_and_foreign_archives(pt2, tmp_path):
    whole = CONV.read_bytes()
    for count in (4, 100, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.pt2").write_bytes(whole[:count])
        with pytest.raises(pt2.Refusal, match="is damaged"):
            pt2.trusted_copy(tmp_path / "cut.pt2", tmp_path)
    changed = bytearray(whole)
    changed[whole.index(b'"target"') + 3] ^= 1
    (tmp_path / "bit.pt2").write_bytes(changed)
    with pytest.raises(pt2.Refusal, match="is damaged"):
        pt2.trusted_copy(tmp_path / "bit.pt2", tmp_path)
    with pytest.raises(pt2.Refusal, match="no exported program"):
        pt2.trusted_copy(write(tmp_path / "script.pt2", {"net/code/x.py": b"", "net/data.pkl": b""}), tmp_path)


def test_the_format_of_before_2_8_is_refused_with_the_version(pt2, tmp_path):
    """What PyTorch 2.7.1 writes, by its names."""
    content = {
        "serialized_exported_program.json": b'{"schema_version": {"major": 8, "minor": 7}, "torch_version": "2.7.1+cu126"}',
        "serialized_state_dict.pt": b"", "serialized_constants.pt": b"", "serialized_example_inputs.pt": b"", "version": b"8.7",
    }  # fmt: skip
    with pytest.raises(pt2.Refusal, match=r"PyTorch 2\.7\.1\+cu126 exported .*, in a format") as refused:
        pt2.trusted_copy(write(tmp_path / "m.pt2", content), tmp_path)
    assert "from 2.8 on" in refused.value.words["fix"] and "torch.export.save" in refused.value.words["fix"]
    content["serialized_exported_program.json"] = b'{"torch_version": "\\u001b[31mred"}'
    with pytest.raises(pt2.Refusal, match=r"PyTorch before 2\.8 exported"):
        pt2.trusted_copy(write(tmp_path / "m.pt2", content), tmp_path)
