"""Average precision by pycocotools, the reference implementation."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence

import numpy as np

from tflitekit.accuracy.coco.matching import box_areas
from tflitekit.data.annotations import Boxes


def average_precision(found: Sequence[Boxes], truth: Sequence[Boxes], classes: int) -> dict[str, np.ndarray]:
    """Returns pycocotools' precision of each threshold, class and size, averaged over recall, and its recall; NaN for none."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    class Evaluation(COCOeval):
        """Knows difficult objects: they are left out as crowds are, and overlaps with them are plain IoU."""

        def computeIoU(self, image, category):
            objects = self._gts[image, category]
            for one in objects:
                one["iscrowd"] = int(one["group"])
            overlaps = super().computeIoU(image, category)
            for one in objects:
                one["iscrowd"] = one["ignore"]
            return overlaps

    def xywh(box: np.ndarray) -> list[float]:
        left, top, right, bottom = box.astype(np.float64).tolist()
        return [left, top, right - left, bottom - top]

    annotations, detections = [], []
    for image, (own, objects) in enumerate(zip(found, truth, strict=True)):
        areas = box_areas(objects.xyxy) if objects.areas is None else objects.areas
        for index in range(len(objects)):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": int(objects.classes[index]),
                    "iscrowd": int(objects.aside[index]),
                    "group": objects.crowd is not None and bool(objects.crowd[index]),
                }
                | {"bbox": xywh(objects.xyxy[index]), "area": float(areas[index])}
            )
        for index in range(len(own)):
            score, number = float(own.scores[index]), int(own.classes[index])
            detections.append({"image_id": image, "category_id": number, "bbox": xywh(own.xyxy[index]), "score": score})
    with contextlib.redirect_stdout(io.StringIO()):
        gold = COCO()
        gold.dataset = {
            "images": [{"id": image} for image in range(len(truth))],
            "categories": [{"id": number} for number in range(classes)],
            "annotations": annotations,
        }
        gold.createIndex()
        if detections:
            answer = gold.loadRes(detections)
        else:
            answer = COCO()
            answer.dataset = gold.dataset | {"annotations": []}
            answer.createIndex()
        evaluation = Evaluation(gold, answer, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][..., -1].mean(axis=1)  # (thresholds, classes, sizes)
    recall = evaluation.eval["recall"][..., -1]
    return {"precision": np.where(precision < 0, np.nan, precision), "recall": np.where(recall < 0, np.nan, recall)}
