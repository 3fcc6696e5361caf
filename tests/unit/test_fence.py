"""Which files a list may name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tflitekit.core.errors import DataError
from tflitekit.data.dataset import open_dataset
from tflitekit.data.fence import require_within


def _csv(folder: Path, name: str) -> Path:
    (folder / "list.csv").write_text(f"path,label\n{name},0\n")
    return folder / "list.csv"


def _yaml(folder: Path, name: str) -> Path:
    (folder / "val.txt").write_text(f"{name}\n")
    (folder / "data.yaml").write_text("val: val.txt\nnames: [cat]\n")
    return folder / "data.yaml"


def _yaml_with_a_folder(folder: Path, name: str) -> Path:
    (folder / "data.yaml").write_text(f"path: {Path(name).parent}\nval: .\nnames: [cat]\n")
    return folder / "data.yaml"


def _coco(folder: Path, name: str) -> Path:
    box = '{"image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5]}'
    images = f'[{{"id": 1, "file_name": "{name}"}}]'
    categories = '[{"id": 1, "name": "cat"}]'
    (folder / "annotations.json").write_text(
        f'{{"images": {images}, "annotations": [{box}], "categories": {categories}}}'
    )
    return folder / "annotations.json"


@pytest.mark.parametrize("write", [_csv, _yaml, _yaml_with_a_folder, _coco])
@pytest.mark.parametrize("absolute", [False, True])
def test_a_list_names_files_elsewhere_only_where_the_user_allows_them(
    tmp_path: Path, write: Callable[[Path, str], Path], absolute: bool
) -> None:
    own, elsewhere = tmp_path / "own", tmp_path / "private"
    own.mkdir()
    elsewhere.mkdir()
    Image.new("RGB", (20, 10)).save(elsewhere / "secret.png")
    (elsewhere / "secret.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    path = write(own, str(elsewhere / "secret.png") if absolute else "../private/secret.png")
    with pytest.raises(DataError, match="outside of") as caught:
        open_dataset(path)
    assert f"{path}:within={tmp_path}" in str(caught.value)
    (sample,) = open_dataset(f"{path}:within={elsewhere}")
    assert sample.read().size == (20, 10)
    with pytest.raises(DataError, match="outside of"):
        open_dataset(f"{path}:within={own}")


def test_a_folder_that_a_link_leads_to_is_the_users(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "disk" / "a.png")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "images").symlink_to(tmp_path / "disk")
    assert len(open_dataset(_csv(tmp_path / "own", "images/a.png"))) == 1


_PARTS = st.sampled_from(["..", ".", "a", "ab", "", "x.png", "\0", "n" * 300, "/", "own"])


@given(st.lists(_PARTS, min_size=1, max_size=6).map("/".join))
def test_what_is_accepted_lies_in_the_folder(name: str) -> None:
    try:
        require_within("list", Path("/data/own"), [name], None)
    except DataError:
        return
    assert os.path.commonpath(["/data/own", os.path.normpath(os.path.join("/data/own", name))]) == "/data/own"  # noqa: PTH118
