"""What the kit's metrics are called where they are shown, and in which unit: a report is read without the metric at hand."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Words", "is_share", "words_of"]


@dataclass(frozen=True)
class Words:
    """A metric in words.

    Attributes:
        name: For headings.
        share: Whether figures go from 0 to 1, are shown in per cent, and drop in points.
        about: What it is, in one phrase; empty where the name says it.
        short: Inside of a sentence: 'accuracy 86.0%'.
    """

    name: str
    share: bool = False
    about: str = ""
    short: str = ""


_WORDS = {
    "top1": Words("Top-1 accuracy", True, short="accuracy"),
    "top5": Words("Top-5 accuracy", True),
    "balanced-accuracy": Words("Balanced accuracy", True, "Mean of the recalls of all classes", "balanced accuracy"),
    "macro-f1": Words("Macro F1", True, "Mean of the F1 scores of all classes", "macro F1"),
    "micro-f1": Words("Micro F1", True, "F1 score of all labels together"),
    "roc-auc": Words("ROC-AUC", True, "Probability that a positive sample gets the higher score", "ROC-AUC"),
    "pr-auc": Words("PR-AUC", True, "Average precision: area under the curve of precision and recall", "PR-AUC"),
    "mean-ap": Words("Mean AP", True, "Average precision of each label, averaged over labels", "mean AP"),
    "mean-roc-auc": Words("Mean ROC-AUC", True, "ROC-AUC of each label, averaged over labels"),
    "exact-match": Words("Exact match", True, "Share of samples with all labels right"),
    "recall@1": Words(
        "Recall@1", True, "Share of samples whose nearest other sample is of the same identity", "recall@1"
    ),
    "recall@5": Words("Recall@5", True, "Share of samples with one of the same identity among the five nearest"),
    "cosine": Words("Cosine", True, "Mean cosine of the embeddings and the baseline's", "cosine"),
    "kappa": Words("Weighted kappa", about="Cohen's kappa of ordered classes, with squared distances as weights"),
    "class-distance": Words("Distance in classes", about="How many classes answers are off, on average"),
    "recall": Words("Recall", True),
    "agreement": Words("Agreement", True, "Share of samples that get the baseline's class"),
    "fidelity": Words(
        "Fidelity",
        True,
        "Share of the baseline's variance that the variant explains, on average over the columns of the output that is kept least",
    ),
    "weighted": Words("Weighted mean", True, "Mean of the figures of several outputs, by their weights"),
    "divergence": Words(
        "Divergence", about="Kullback-Leibler divergence of the probabilities from the baseline's, in nats"
    ),
    "mae": Words("MAE", about="Mean absolute error"),
    "rmse": Words("RMSE", about="Root mean squared error"),
    "r2": Words("R²", about="Share of the targets' variance that is explained"),
    "psnr": Words("PSNR", about="Peak signal-to-noise ratio in dB, averaged over pictures; equal pictures have 100"),
    "ssim": Words("SSIM", about="Structural similarity, 1 for equal pictures"),
    "miou": Words(
        "Mean IoU", True, "Intersection over union of each class in all pictures, averaged over classes", "mean IoU"
    ),
    "iou": Words("IoU", True),
    "pixel-accuracy": Words("Pixel accuracy", True, "Share of pixels with the right class"),
    "dice": Words("Dice", True, "Twice the intersection over the sum of both areas, averaged over classes"),
    "boundary-f1": Words(
        "Boundary F1", True, "How well the borders of classes fit, within 0.75 % of the picture's diagonal"
    ),
    "pck": Words("PCK", True, "Share of keypoints within 0.2 of the longer side of the person's box", "PCK"),
    "oks-ap": Words("OKS AP", True, "Average precision over object keypoint similarities from 0.5 to 0.95", "OKS AP"),
    "keypoint-agreement": Words(
        "Keypoint agreement", True, "Share of keypoints within 0.2 of the longer side of the box around the baseline's"
    ),
    "keypoint-distance": Words(
        "Distance", about="Mean distance of keypoints, as a share of the longer side of the box"
    ),
    "anomaly-auc": Words(
        "Anomaly AUC",
        True,
        "Probability that an anomaly is reconstructed with a larger error than a normal sample",
        "anomaly AUC",
    ),
    "mask-iou": Words("Mask IoU", True, "Mean IoU with the baseline's masks"),
    "map": Words("mAP", True, "Average precision at IoU 0.5 to 0.95, averaged over classes, as COCO counts it", "mAP"),
    "ap": Words("AP", True),
    "ap50": Words("AP50", True, "Average precision at IoU 0.5"),
    "ap75": Words("AP75", True, "Average precision at IoU 0.75"),
    "ap-small": Words("AP small", True, "Of objects below 32 x 32 pixels"),
    "ap-medium": Words("AP medium", True, "Of objects from 32 x 32 to 96 x 96 pixels"),
    "ap-large": Words("AP large", True, "Of objects above 96 x 96 pixels"),
    "ar100": Words("AR100", True, "Largest recall with 100 boxes of a class in a picture, at IoU 0.5 to 0.95"),
    "box-f1": Words("Box F1", True, "F1 of boxes beside the baseline's, at IoU 0.5 and scores from 0.25 on", "box F1"),
    "box-iou": Words("Box IoU", True, "Mean IoU of boxes that both have"),
}


def words_of(metric: str) -> Words:
    """Returns a metric in words; one that the kit does not have, by its own name and as no share."""
    return _WORDS.get(metric, Words(metric))


def is_share(metric: str) -> bool:
    """Tells whether a metric is a share from 0 to 1, shown in per cent, whose drops are points."""
    return words_of(metric).share
