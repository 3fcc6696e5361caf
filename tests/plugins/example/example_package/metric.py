"""Cross-entropy of class probabilities."""

import numpy as np

from tflitekit.accuracy.metrics import metric
from tflitekit.accuracy.metrics.custom import CustomMetric


class _CrossEntropy:
    higher_is_better = False

    def __call__(self, output, label):
        return -float(np.log(max(output[label], 1e-7)))


@metric("log_loss")
def log_loss(dataset, spec, labels):
    """Lower is better; a probability of zero counts as 1e-7."""
    return CustomMetric("log_loss", _CrossEntropy())
