"""Average precision, beside that of pycocotools."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from coco_reference import average_precision
from hypothesis import given, settings
from hypothesis import strategies as st

from tflitekit.accuracy.coco.curves import Curves, columns_of
from tflitekit.accuracy.coco.matching import SIZES, box_areas, box_overlaps, match
from tflitekit.data.annotations import Boxes

# pycocotools computes with widths and heights, the kit with edges: they differ by rounding.
_EXACT = 1e-6


def _check(found: Sequence[Boxes], truth: Sequence[Boxes], classes: int, most: int = 400) -> None:
    expected = average_precision(found, truth, classes)
    columns = columns_of(found, truth, classes=classes, most=most)
    for lane, size in enumerate(SIZES):
        precision, recall = Curves(columns, size).measure()
        np.testing.assert_allclose(precision[0].T, expected["precision"][..., lane], atol=_EXACT)
        np.testing.assert_allclose(recall[0].T, expected["recall"][..., lane], atol=_EXACT)


def _boxes(
    numbers: Sequence[Sequence[float]], classes: Sequence[int], scores: Sequence[float] | None = None, **rest
) -> Boxes:
    return Boxes(
        np.asarray(numbers, np.float32).reshape(-1, 4),
        np.asarray(classes, np.int32),
        None if scores is None else np.asarray(scores, np.float32),
        **rest,
    )


_NONE = _boxes([], [])
_NOTHING = _boxes([], [], [])


def _scene(generator: np.random.Generator, classes: int, *, most: int) -> tuple[Boxes, Boxes]:
    """Makes objects of all sizes, some of them crowds or difficult, and detections near them and elsewhere, with scores that are often equal."""
    count = int(generator.integers(0, 8))
    corner = generator.integers(0, 200, (count, 2))
    truth = np.concatenate([corner, corner + generator.integers(4, 140, (count, 2))], axis=1)
    found = np.repeat(truth, 3, axis=0) + generator.integers(-6, 7, (3 * count, 4))
    found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 1)
    elsewhere = generator.integers(0, 200, (int(generator.integers(0, most)), 2))
    found = np.concatenate([found, np.concatenate([elsewhere, elsewhere + 30], axis=1)])
    kinds = generator.integers(0, classes, count)
    answers = np.concatenate([np.repeat(kinds, 3), generator.integers(0, classes, len(elsewhere))])
    return (
        _boxes(found, answers, generator.integers(0, 20, len(found)) / 20),
        _boxes(
            truth,
            kinds,
            crowd=generator.random(count) < 0.2,
            areas=box_areas(truth.astype(np.float32)).astype(np.float32) * 0.7,
            difficult=generator.random(count) < 0.2,
        ),
    )


@settings(max_examples=12)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.sampled_from([5, 40, 300]))
def test_equal_to_pycocotools(seed: int, classes: int, most: int) -> None:
    generator = np.random.default_rng(seed)
    scenes = [_scene(generator, classes, most=most) for _ in range(6)]
    _check([found for found, _ in scenes], [truth for _, truth in scenes], classes)


@pytest.mark.parametrize(
    ("found", "truth"),
    [
        pytest.param([_NOTHING], [_boxes([[0, 0, 9, 9]], [0])], id="nothing found"),
        pytest.param([_boxes([[0, 0, 9, 9]], [0], [0.5])], [_NONE], id="no objects"),
        pytest.param([_NOTHING, _NOTHING], [_NONE, _NONE], id="neither"),
        pytest.param([_boxes([[0, 0, 9, 9]] * 2, [0, 0], [0.5, 0.5])], [_boxes([[0, 0, 9, 9]], [0])], id="found twice"),
        pytest.param([_boxes([[0, 0, 9, 9]], [1], [0.5])], [_boxes([[0, 0, 9, 9]], [0])], id="wrong class"),
        pytest.param(
            [_boxes([[0, 0, 5, 5], [4, 4, 9, 9]], [0, 0], [0.9, 0.8])],
            [_boxes([[0, 0, 20, 20]], [0], crowd=np.array([True]))],
            id="a crowd only",
        ),
        pytest.param(
            [_boxes([[0, 0, 10, 10]], [0], [0.9])],
            [_boxes([[0, 0, 10, 20], [0, 0, 20, 10]], [0, 0])],
            id="two objects overlapped alike",
        ),
        pytest.param(
            [_boxes([[0, 0, 32, 32], [0, 40, 96, 136]], [0, 0], [0.9, 0.9])],
            [_boxes([[0, 0, 32, 32], [0, 40, 96, 136]], [0, 0])],
            id="on the bounds of sizes",
        ),
        pytest.param(
            [_boxes([[0, 0, 4, 4]] * 150 + [[50, 50, 60, 60]], [0] * 151, [0.9] * 150 + [0.1])],
            [_boxes([[50, 50, 60, 60]], [0])],
            id="more than a hundred of a class",
        ),
    ],
)
def test_equal_to_pycocotools_where_little_is_there(found: list[Boxes], truth: list[Boxes]) -> None:
    _check(found, truth, classes=2)


def _voc_verdicts(found: Boxes, truth: Boxes) -> list[str]:
    """What Pascal VOC's development kit (VOCevaldet.m) says of each detection of one class, best first, at an IoU of 0.5."""
    overlaps, taken, verdicts = box_overlaps(found.xyxy, truth.xyxy), set(), []
    for row in overlaps:
        best = int(row.argmax())
        if row[best] < 0.5:
            verdicts.append("wrong")
        elif truth.difficult[best]:
            verdicts.append("left out")
        else:
            verdicts.append("wrong" if best in taken else "right")
            taken.add(best)
    return verdicts


def test_difficult_objects_count_neither_way_as_in_the_kit_of_pascal_voc() -> None:
    generator = np.random.default_rng(5)
    # Apart from each other.
    places = np.stack(np.meshgrid(range(0, 400, 40), range(0, 400, 40)), axis=-1).reshape(-1, 2)
    truth = _boxes(np.hstack([places, places + 30]), [0] * 100, difficult=generator.random(100) < 0.4)
    near = np.repeat(truth.xyxy, 3, axis=0) + generator.integers(-9, 10, (300, 1))
    parts = truth.xyxy - np.float32([0, 0, 20, 20])  # small boxes inside, of which a crowd would take all
    found = _boxes(np.concatenate([near, parts])[:400], [0] * 400, np.linspace(1, 0, 400))
    matches = match(found, truth)
    told = np.where(matches.right[0, 0], "right", np.where(matches.left_out[0, 0], "left out", "wrong"))
    assert told.tolist() == _voc_verdicts(found, truth)
    assert set(told[:300]) == {"right", "left out", "wrong"} and set(told[300:]) == {"wrong"}


def test_recall_levels_that_are_met_exactly_count_as_in_pycocotools() -> None:
    truth = [_boxes([[0, 0, 9, 9]], [0])] * 100
    found = [
        _boxes([[0, 0, 9, 9]] if index < 57 else [], [0] * (index < 57), [0.5] * (index < 57)) for index in range(100)
    ]
    _check(found, truth, classes=1)


def test_a_draw_is_as_good_as_pictures_that_are_there_several_times() -> None:
    generator = np.random.default_rng(3)
    scenes = [_scene(generator, 3, most=20) for _ in range(40)]
    columns = columns_of([found for found, _ in scenes], [truth for _, truth in scenes], classes=3, most=100)
    # No two scores are equal: the copies of a picture would be sorted in among each other's detections.
    columns["scores"] = columns["scores"] + generator.random(columns["scores"].shape).astype(np.float32) / 100
    order = np.argsort(-columns["scores"] + 10.0 * (columns["classes"] < 0), axis=1, kind="stable")
    for name in ("scores", "classes"):
        columns[name] = np.take_along_axis(columns[name], order, axis=1)
    for name in ("right", "left_out"):
        columns[name] = np.take_along_axis(columns[name], order[..., None], axis=1)
    times = generator.integers(0, 3, (40, 5)).astype(np.uint8)
    precision, recall = Curves(columns).measure(times)
    for draw in range(5):
        rows = np.repeat(np.arange(40), times[:, draw])
        again = Curves({name: values[rows] for name, values in columns.items()})
        expected_precision, expected_recall = again.measure()
        # A level of recall that is met exactly may count or not: one in 101 of a curve.
        np.testing.assert_allclose(precision[draw], expected_precision[0], atol=1 / 101)
        np.testing.assert_allclose(recall[draw], expected_recall[0], atol=_EXACT)
        assert np.mean(np.abs(precision[draw] - expected_precision[0])) < 1e-3
