"""The loss of the quickstart's detector: for its first training, and for ``--loss`` when it is trained for int8."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["STRIDE", "detector_loss"]

STRIDE = 8
_SMALLEST = 1e-6


def detector_loss(y_true: Any, y_pred: Any) -> Any:
    """Returns one loss for each sample: of the scores of all cells, and of the boxes of those that are to find one.

    Args:
        y_true: ``(batch, most boxes, 5)``: left, top, right, bottom in pixels, and the class; -1 where there is no box.
        y_pred: ``(batch, cells, 4 + classes)``: center, width, height in pixels, and a score from 0 to 1 for each class.

    The scores have the focal loss (T. Lin et al., ICCV 2017) with exponent 2, the boxes the generalized IoU
    (H. Rezatofighi et al., CVPR 2019).
    """
    import tensorflow as tf

    corners, chosen, found = _assigned(y_true[..., :4], y_true[..., 4] >= 0, int(y_pred.shape[1]))
    classes = tf.gather(tf.cast(y_true[..., 4], tf.int32), chosen, batch_dims=1)
    wanted = tf.one_hot(tf.where(found, classes, -1), y_pred.shape[2] - 4)
    sure = tf.clip_by_value(tf.where(wanted > 0, y_pred[..., 4:], 1 - y_pred[..., 4:]), _SMALLEST, 1.0)
    focal = tf.reduce_sum(-tf.math.log(sure) * (1 - sure) ** 2, axis=[1, 2])
    weight = tf.cast(found, tf.float32)
    of_boxes = tf.reduce_sum(weight * (1 - _generalized_iou(corners, y_pred[..., :4])), axis=1)
    return (focal + 2 * of_boxes) / tf.maximum(tf.reduce_sum(weight, axis=1), 1)


def _assigned(boxes: Any, real: Any, cells: int) -> tuple[Any, Any, Any]:
    """Returns for each cell the box it is to find, the number of that box, and whether there is one.

    It is the smallest of the boxes that have their center less than a cell's side away from the cell's middle.
    """
    import tensorflow as tf

    rows = round(np.sqrt(cells))
    middles = (np.arange(rows, dtype=np.float32) + 0.5) * STRIDE
    x, y = np.tile(middles, rows), np.repeat(middles, rows)
    center_x, center_y = (boxes[..., 0] + boxes[..., 2]) / 2, (boxes[..., 1] + boxes[..., 3]) / 2
    near = tf.maximum(tf.abs(center_x[..., None] - x), tf.abs(center_y[..., None] - y)) < STRIDE
    near &= real[..., None]
    area = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    chosen = tf.argmin(tf.where(near, area[..., None], np.inf), axis=1, output_type=tf.int32)
    return tf.gather(boxes, chosen, batch_dims=1), chosen, tf.reduce_any(near, axis=1)


def _generalized_iou(corners: Any, predicted: Any) -> Any:
    """Returns the generalized IoU of boxes by corners and boxes by center and size."""
    import tensorflow as tf

    first, last = predicted[..., :2] - predicted[..., 2:] / 2, predicted[..., :2] + predicted[..., 2:] / 2
    shared = _area(tf.maximum(first, corners[..., :2]), tf.minimum(last, corners[..., 2:]))
    around = _area(tf.minimum(first, corners[..., :2]), tf.maximum(last, corners[..., 2:]))
    union = _area(first, last) + _area(corners[..., :2], corners[..., 2:]) - shared
    return shared / tf.maximum(union, _SMALLEST) - (around - union) / tf.maximum(around, _SMALLEST)


def _area(first: Any, last: Any) -> Any:
    import tensorflow as tf

    return tf.reduce_prod(tf.maximum(last - first, 0), axis=-1)
