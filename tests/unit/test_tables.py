"""Tables, lists of files and windows: which columns fill which input, and what is refused."""

import csv
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tflitekit.core.errors import DataError, UsageError
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.dataset import InputPipeline, open_dataset
from tflitekit.data.preprocessing import PRESETS
from tflitekit.source.few_samples import keep_samples


def spec(name, *shape, dtype="float32"):
    return TensorSpec(name=name, shape=(1, *shape), dtype=dtype)


def prepared(data, *inputs):
    pipeline = InputPipeline(inputs, PRESETS["raw"])
    return [pipeline.prepare(sample.read(), sample.key) for sample in data]


@pytest.fixture
def table(tmp_path):
    def write(text, name="t.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return path

    return write


def test_one_input_takes_all_columns_in_order(table):
    data = open_dataset(table("b,a,label\n1,2,0\n3,4,1\n"))
    assert [sample.label for sample in data] == [0, 1]
    assert [row[0].tolist() for row in prepared(data, spec("x", 2))] == [[1, 2], [3, 4]]
    assert prepared(data, spec("x", 2, 1))[1][0].shape == (2, 1)
    with pytest.raises(
        DataError, match=r"2 values for the model's input 'x', which takes \[3\] \(line 2; columns b, a\)"
    ):
        prepared(data, spec("x", 3))


def test_inputs_by_name_prefix_and_setting(table):
    path = table("id,right_1,left_10,left_9,right_0,age,y\nu,4,10,9,3,50,2.5\n")
    data = open_dataset(path)
    (row,) = prepared(data, spec("left", 2), spec("age"), spec("right", 2))
    assert [values.tolist() for values in row] == [[9, 10], 50, [3, 4]]
    assert [float(sample.label) for sample in data] == [2.5]
    data = open_dataset(f"{path}:one=age,left_*:two=2:label=4")
    (row,) = prepared(data, spec("two", 1), spec("one", 3))
    assert [values.tolist() for values in row] == [[4], [50, 10, 9]]
    assert data.location.endswith(":label=4") and [sample.label for sample in data] == [9]
    with pytest.raises(
        DataError, match=r"No column of .* is for the model's input 'wind': columns are named for one, two"
    ):
        prepared(data, spec("wind", 2), spec("one", 3))
    with pytest.raises(DataError, match=r"input 'wind': the columns are id, right_1"):
        prepared(open_dataset(path), spec("wind", 2), spec("age", 1))
    with pytest.raises(UsageError, match=r"no column 'wind'.*"):
        open_dataset(f"{path}:one=wind")
    with pytest.raises(UsageError, match="'label' twice"):
        open_dataset(f"{path}:label=y:label=y")


def test_text_for_numbers_and_numbers_for_text(table):
    data = open_dataset(table('city,ids,label\n"Ulm, Nord",3 5 8,yes\nBonn,"[1, 2, 4]",no\n'))
    assert data.classes == ("no", "yes") and [sample.label for sample in data] == [1, 0]
    rows = prepared(data, spec("ids", 3, dtype="int32"), spec("city", 1, dtype="string"))
    assert [row[0].tolist() for row in rows] == [[3, 5, 8], [1, 2, 4]] and rows[0][1].tolist() == [b"Ulm, Nord"]
    with pytest.raises(
        DataError, match=r"column 'city' of .* holds 'Ulm, Nord', and the model takes numbers \(line 2\)"
    ):
        prepared(data, spec("x", 4))
    assert open_dataset(data.location, labels=("yes", "maybe", "no")).classes == ("yes", "maybe", "no")
    assert [s.label for s in open_dataset(data.location, labels=("yes", "maybe", "no"))] == [0, 2]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_marks_and_separators(table, encoding, separator):
    data = open_dataset(table(f"größe{separator}label\r\n1{separator}0\r\n\r\n2{separator}1\r\n", encoding=encoding))
    assert [row[0].item() for row in prepared(data, spec("größe", 1))] == [1, 2]


def test_without_header(table):
    data = open_dataset(f"{table('1,2,0', 'h.csv')}:label=3")
    assert prepared(data, spec("x", 2))[0][0].tolist() == [1, 2]
    assert not open_dataset(table("1,2,0", "n.csv"), need_labels=False).labelled


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("a,b\n", "it has no rows"),
        ("a,b,label\n1,2\n", "Line 2 of .* has 2 values, and the first line has 3"),
        ('a,label\n"1,2\n', "cannot be read as CSV"),
        ('a,label\n"1"x,2\n', "cannot be read as CSV"),
        ("a,a\n1,2\n", "two columns named 'a'"),
        ("a,label\n1,\n", "has no label"),
        ("a,label\n1,-1\n", "classes count from 0"),
        ("a,b\n1,2\n", "has no labels"),
        ("label\n1\n", "no columns beside"),
        ("a,label\n1,0.5\n2,NA\n", "label of row 1 in .* is 'NA', and others are numbers, such as 0.5"),
    ],
)
def test_malformed(table, text, words):
    with pytest.raises(DataError, match=words):
        open_dataset(table(text))


def test_bytes_that_are_no_text(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"a,label\n1,\xff\n")
    with pytest.raises(DataError, match="not text in UTF-8"):
        open_dataset(tmp_path / "t.csv")


@settings(max_examples=40)
@given(
    st.lists(
        st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=2, max_size=2)
    )
)
def test_any_text_survives(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    rows = [[*row, "1"] for row in rows if any(cell.strip() for cell in row)]
    text = io.StringIO()
    csv.writer(text).writerows([["a", "b", "label"], *rows])
    path.write_bytes(text.getvalue().encode())
    if not rows:
        return
    found = prepared(open_dataset(path), spec("a", 1, dtype="string"), spec("b", 1, dtype="string"))
    assert [[value.item().decode().rstrip("\0") for value in row] for row in found] == [row[:2] for row in rows]


def test_limit_fingerprint_and_proof_samples(table, tmp_path):
    text = "a,b,label\n" + "".join(f"{i},{i + 1},{i % 4 == 0:d}\n" for i in range(40))
    data = open_dataset(table(text), limit=10)
    assert sum(sample.label for sample in data) == 5 and data.available == 40
    assert data.fingerprint() == open_dataset(data.location, limit=10).fingerprint()
    assert data.fingerprint() != open_dataset(data.location, limit=10, seed=1).fingerprint()
    assert [sample.key for sample in data.pick([0, 9])] == [sample.key for sample in data][::9]
    few = keep_samples(data, tmp_path / "few.npz", "data", PRESETS["raw"]).of([spec("x", 2)])
    assert np.array_equal(few[0][0][0], prepared(data, spec("x", 2))[0][0])
    table(text.replace("39,40", "39,41"))
    assert data.fingerprint() != open_dataset(data.location).fingerprint()


def test_targets_of_several_columns_and_outputs(table):
    data = open_dataset(table("x,y_0,y_1\n1,2.5,3\n"))
    assert next(iter(data)).label.tolist() == [2.5, 3]
    data = open_dataset(table("x,y.digit,y.angle\n1,3,0.5\n2,1,1.5\n"))
    assert [sample.label for sample in data] == [{"digit": 3, "angle": 0.5}, {"digit": 1, "angle": 1.5}]
    (sample,) = open_dataset(table("x,y.box_1,y.box_0,y.part2\n1,3,0.5,4\n"))
    assert sample.label["box"].tolist() == [0.5, 3] and sample.label["part2"] == 4


def test_parquet(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = 700
    columns = {
        "a": np.arange(rows, dtype=np.int32), "b": np.linspace(0, 1, rows, dtype=np.float32), "ids": [[i, i + 1] for i in range(rows)],
        "city": ["Ulm"] * rows, "label": arrow.array(["x", "y"] * (rows // 2)).dictionary_encode(), "at": np.datetime64("2020-01-01") + np.arange(rows),
    }  # fmt: skip
    parquet.write_table(arrow.table(columns), tmp_path / "t.parquet")
    data = open_dataset(f"{tmp_path / 't.parquet'}:v=a,b:ids=ids", limit=300)
    assert data.classes == ("x", "y") and len(data) == 300
    sample = list(data)[-1]
    v, ids = InputPipeline([spec("v", 2), spec("ids", 2, dtype="int64")], PRESETS["raw"]).prepare(
        sample.read(), sample.key
    )
    number = int(sample.key.split()[1])
    assert v.tolist() == [number, columns["b"][number]] and ids.tolist() == [number, number + 1]
    with pytest.raises(DataError, match=r"column 'at' of .* holds '2020-01-01"):
        prepared(open_dataset(f"{tmp_path / 't.parquet'}:v=at"), spec("v", 1))
    (tmp_path / "t.parquet").write_bytes((tmp_path / "t.parquet").read_bytes()[:-40])
    with pytest.raises(DataError, match="cannot be read"):
        open_dataset(tmp_path / "t.parquet")


def test_list_of_images(table, tmp_path):
    (tmp_path / "pictures").mkdir()
    for name, value in (("1", 10), ("2", 20)):
        Image.new("L", (3, 3), value).save(tmp_path / "pictures" / f"{name}.png")
    data = open_dataset(table("Image,label,width\npictures/1.png,cat,3\npictures/2.png,ant,3\n"))
    assert data.kind == "csv" and data.pictures and data.classes == ("ant", "cat")
    assert [(sample.key, sample.label, sample.read().getpixel((0, 0))) for sample in data] == [
        ("pictures/1.png", 1, 10),
        ("pictures/2.png", 0, 20),
    ]
    before = data.fingerprint()
    Image.new("L", (3, 3), 21).save(tmp_path / "pictures" / "2.png")
    assert data.fingerprint() != before
    assert open_dataset(f"{data.location}:file=1:label=width").largest_label() == 3
    with pytest.raises(UsageError, match="no setting 'x'"):
        open_dataset(f"{data.location}:x=width")
    (tmp_path / "pictures" / "2.png").unlink()
    with pytest.raises(DataError, match=r"1 of the 2 files that .*t\.csv lists does not exist: pictures/2\.png"):
        open_dataset(data.location)


def test_windows_of_lists_keep_the_numbers_of_a_column_together(table):
    rows = "".join(f'{i} {i + 0.5},{-i},"[{i}0,{i}1]"\n' for i in range(1, 5))
    data = open_dataset(f"{table('a,b,c' + chr(10) + rows)}:window=2", need_labels=False)
    assert prepared(data, spec("x", 2, 5))[0][0].tolist() == [[1, 1.5, -1, 10, 11], [2, 2.5, -2, 20, 21]]
    uneven = open_dataset(f"{table('a,b' + chr(10) + '1 2,1' + chr(10) + '1,1', 'u.csv')}:window=2", need_labels=False)
    with pytest.raises(DataError, match=r"The column 'a' of .* holds 1 to 2 numbers"):
        prepared(uneven, spec("x", 2, 3))


def test_a_decimal_comma_is_not_two_numbers(table):
    for separator, cell in ((";", "1,5"), (",", '"1,5"'), (",", '"1 2,5"')):
        data = open_dataset(table(f"a{separator}b{separator}label\n{cell}{separator}2{separator}0\n"))
        with pytest.raises(
            DataError, match=r"The column 'a' of .* holds '1[ 2]*,5', and the model takes numbers"
        ) as caught:
            prepared(data, spec("x", 2))
        assert "1.5" in caught.value.fix
    for cell in ("3, 4", "[3,4]", "3 4"):
        data = open_dataset(table(f'a,label\n"{cell}",0\n'))
        assert prepared(data, spec("a", 2))[0][0].tolist() == [3, 4]
    with pytest.raises(DataError, match=r"The label of row 1 in .* is '2,5', which is no number"):
        open_dataset(table("a;label\n1;2\n1;2,5\n"))


def test_windows(table, tmp_path):
    text = "run,a,b,label\n" + "".join(f"{i // 6},{i},{-i},{i // 6}\n" for i in range(12))
    data = open_dataset(f"{table(text)}:window=3:step=2:group=run")
    assert [sample.key for sample in data] == ["line 2 to 4", "line 4 to 6", "line 8 to 10", "line 10 to 12"]
    assert [sample.label for sample in data] == [0, 0, 1, 1]
    assert prepared(data, spec("x", 3, 2))[1][0].tolist() == [[2, -2], [3, -3], [4, -4]]
    assert prepared(data, spec("b", 3), spec("a", 3, 1))[0][0].tolist() == [0, -1, -2]
    assert len(open_dataset(data.location, limit=2)) == 2
    few = keep_samples(data, tmp_path / "few.npz", "data", PRESETS["raw"]).of([spec("x", 3, 2)])
    assert few[0][0].tolist() == [[[0, 0], [1, -1], [2, -2]]]
    np.savez(tmp_path / "s.npz", x=np.arange(10.0), y=np.arange(10))
    data = open_dataset(f"{tmp_path / 's.npz'}:window=4")
    assert [sample.label for sample in data] == [3, 7]
    assert prepared(data, spec("x", 4, 1))[1][0][:, 0].tolist() == [4, 5, 6, 7]
    assert data.fingerprint() != open_dataset(f"{tmp_path / 's.npz'}:window=4:step=1").fingerprint()
    with pytest.raises(DataError, match=r"2 values for the model's input 'x', which takes \[3, 2\]") as caught:
        prepared(open_dataset(table("a,b,label\n1,2,0\n", "w.csv")), spec("x", 3, 2))
    assert caught.value.fix.endswith("w.csv:window=3.")
    with pytest.raises(DataError, match="no window of 11 rows: it has 10"):
        open_dataset(f"{tmp_path / 's.npz'}:window=11")
    with pytest.raises(UsageError, match="step=2 is for windows"):
        open_dataset(f"{tmp_path / 't.csv'}:step=2")
