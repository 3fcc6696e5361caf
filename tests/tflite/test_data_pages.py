"""The commands of docs/data.md and docs/sound.md run as they stand there, on small data; tones.tflite is what the scripts of sound.md trained."""

import ast
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import DATA, shape_arrays
from test_data_kinds import as_list, as_tar, png

from tflitekit import bundle, evaluate, explain, load_variant, read_report
from tflitekit.core.errors import DataError
from tflitekit.data.sound_format import SoundFormat

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page, language):
    return re.findall(
        rf"^```{language}\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


def commands(page):
    return [shlex.split(line) for block in blocks(page, "sh") for line in block.splitlines()]


def write_table(path, header, rows):
    path.write_text("\n".join(",".join(map(str, row)) for row in [header, *rows]))


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    (tmp_path / "build").mkdir()
    for name, folder in (("float32", "regression"), ("images", "shapes"), ("series", "lstm")):
        shutil.copy(DATA / "converted" / folder / "float32.tflite", tmp_path / "build" / f"{name}.tflite")
    data = np.load(DATA / "models" / "regression.npz")
    write_table(
        tmp_path / "table.csv", [*(f"f{i}" for i in range(8)), "y"], np.column_stack([data["x"], data["y"]])[:60]
    )
    values = np.random.default_rng(0).normal(size=(120, 4)).round(3)
    rows = [(*row, number // 30, number // 30 % 2) for number, row in enumerate(values)]
    write_table(tmp_path / "sensors.csv", ["a", "b", "c", "d", "recording", "activity"], rows)
    images, labels = shape_arrays(30, 8)
    files = [png(image) for image in images]
    as_list(tmp_path, files, labels.tolist()).rename(tmp_path / "images.csv")
    (tmp_path / "shards").mkdir()
    for number in range(2):
        part = slice(15 * number, 15 * (number + 1))
        as_tar(tmp_path, files[part], labels[part].tolist()).rename(tmp_path / "shards" / f"test-00{number}.tar")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands_of_the_page_on_data(prepared, cli):
    found = commands("data.md")
    assert len(found) == 5
    for program, verb, *arguments in found:
        code, _, err = cli(verb, *arguments)
        assert (program, code) == ("tflitekit", 0), err


def test_the_page_on_sound(tmp_path, cli, monkeypatch):
    pytest.importorskip("soundfile", reason="soundfile is not installed: '.[tasks]'")
    pytest.importorskip("litert_quantizer", reason="litert-quantizer is not installed: '.[quantize]'")
    monkeypatch.chdir(tmp_path)
    made, trained = blocks("sound.md", "python")
    exec(compile(made, "make_tones.py", "exec"), {})
    settings = re.search(r"sounds/train(:\S+?)\"", trained)[1]
    assert any(
        isinstance(node, ast.Call) and ast.unparse(node.func) == "tk.open_dataset"
        for node in ast.walk(ast.parse(trained))
    )
    shutil.copy(DATA / "tasks" / "sound" / "tones.tflite", "tones.tflite")
    for _, verb, *arguments in commands("sound.md"):
        given = [argument.replace("tones.keras", "tones.tflite") for argument in arguments]
        assert all(argument.endswith(settings) for argument in given if argument.startswith("sounds/"))
        code, out, err = cli(verb, *given)
        assert code == 0, err
        assert "Recommended" in out or verb == "evaluate"
    expected = SoundFormat(rate=8000, channels=1, length=1024, pad="end", crop="start")
    assert read_report("build").contract.sound == load_variant("build/int8.tflite")[0].contract.sound == expected
    made = bundle("build/report.json", data=f"sounds/test{settings}", samples=2, out="bundle")
    assert made.sound == expected
    other = f"sounds/test:resample=16000{settings}"
    for refused in (
        lambda: evaluate("build/int8.tflite", data=other),
        lambda: bundle("build/report.json", data=other, out="other"),
        lambda: explain("build/int8.tflite", data=other),
    ):
        with pytest.raises(DataError, match=r"has 16,000 samples a second, and what .* was made for has 8,000"):
            refused()


def test_the_refusal_that_the_page_quotes(tmp_path):
    module = pytest.importorskip("soundfile", reason="soundfile is not installed: '.[tasks]'")
    from tflitekit import open_dataset

    for name, rate in (("low/a.wav", 8000), ("low/phone.wav", 16000)):
        (tmp_path / "low").mkdir(exist_ok=True)
        module.write(tmp_path / name, np.zeros(1024), rate)
    quoted = re.search(r"^> (.*)$", (DOCS / "sound.md").read_text(encoding="utf-8"), re.MULTILINE)[1]
    with pytest.raises(DataError) as caught:
        [sample.read() for sample in open_dataset(tmp_path)]
    assert caught.value.what == quoted
