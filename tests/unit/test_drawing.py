"""Boxes, masks and keypoints on small pictures, and the section of the page that shows them."""

import numpy as np
import pytest
from PIL import Image
from sample_reports import picture

from tflitekit.data.annotations import Boxes, Mask, Poses
from tflitekit.render import html, markdown
from tflitekit.results import Example, Picture, read_report
from tflitekit.tasks.drawing import color_of, drawn

GREY = Image.new("L", (640, 480), 128)


def near(drawing, place, color):
    return np.abs(np.asarray(drawing, int)[place[1], place[0]] - color).max() < 40


def test_boxes_have_the_color_of_their_class():
    edges = np.array([[40, 40, 320, 240], [400, 100, 600, 400], [10, 10, 20, 20]], np.float32)
    boxes = Boxes(edges, np.array([0, 5, 1], np.int32), np.array([0.9, 0.5, 0.1], np.float32))
    drawing = drawn(GREY, boxes)
    assert drawing.size == (160, 120)
    assert near(drawing, (10, 30), color_of(0))
    assert near(drawing, (100, 60), color_of(5))
    assert near(drawing, (40, 40), (128,) * 3)  # inside of a frame
    assert near(drawing, (3, 4), (128,) * 3)  # too uncertain to be shown
    assert np.asarray(drawn(GREY, Boxes(edges[:0], np.zeros(0, np.int32)))).std() == 0


def test_masks_tint_and_leave_the_background():
    classes = np.zeros((480, 640), np.uint8)
    classes[100:300, 100:300] = 3
    classes[100:300, 400:600] = 255
    drawing = drawn(GREY, Mask(lambda: classes, "a.png", 255))
    assert near(drawing, (10, 10), (128,) * 3)
    middle = np.asarray(drawing, int)[50, 50]
    assert np.argmax(middle) == np.argmax(color_of(2))
    assert near(drawing, (125, 50), (128,) * 3)  # ignored: grey
    assert near(drawing, (25, 50), color_of(2))  # a border


def test_keypoints_are_drawn_where_they_are_known():
    points = np.array([[[160, 120, 2], [480, 120, 0], [320, 360, 0.9]]], np.float32)
    drawing = drawn(GREY, Poses(points))
    assert near(drawing, (40, 30), color_of(0))
    assert near(drawing, (120, 30), (128,) * 3)
    assert near(drawing, (80, 90), color_of(2))


def test_neighbouring_classes_have_unlike_colors():
    colors = np.array([color_of(number) for number in range(60)], int)
    assert np.abs(np.diff(colors, axis=0)).max(axis=1).min() > 40
    assert len({tuple(color) for color in colors}) == 60


@pytest.mark.parametrize("text", ["mean IoU 40%; before: mean IoU 60%", "<script>alert(1)</script>"])
def test_the_page_shows_examples_and_markdown_their_number(optimized, text):
    report = read_report(optimized)
    jpeg = picture(np.full((160, 160, 3), 90, np.uint8))
    pictures = tuple(Picture(title=title, image=jpeg) for title in ("truth", "float32", "other"))
    examples = tuple(Example(sample=f"{i}.png", text=text, lost=0.2, pictures=pictures) for i in range(6))
    broken = (Example(sample="x.png", text=text, pictures=(Picture(title="truth", image='"><script>'),)),)
    rows = [row.model_copy(update={"examples": examples + broken}) for row in report.variants]
    shown = report.model_copy(update={"variants": tuple(rows)})
    page = html.render(shown)
    assert page.count('<div class="beside">') == 6 * min(6, len([row for row in rows if row.status == "ok"]))
    assert "<script>alert" not in page
    assert '"><script>' not in page.partition("<body")[2].partition("<script")[0]
    assert "mean IoU 40%" in page or "&lt;script&gt;" in page
    assert f"7 of {rows[0].name}" in markdown.render(shown)
    assert 'id="examples"' not in html.render(report)
