"""F1 of each class, averaged over the classes."""

import numpy as np

from tflitekit.accuracy.metrics import metric
from tflitekit.accuracy.metrics.pooled import PooledMetric


class _MacroF1(PooledMetric):
    name = "macro_f1"

    def columns(self, outputs, labels, meaning):
        return {"answer": outputs.reshape(len(labels), -1).argmax(axis=1), "truth": np.asarray(labels)}

    def figure(self, columns):
        answer, truth = columns["answer"], columns["truth"]
        return np.mean([_f1(answer == one, truth == one) for one in np.unique(truth)])


def _f1(said, true):
    return 2 * np.sum(said & true) / (np.sum(said) + np.sum(true))


@metric("macro_f1")
def macro_f1(dataset, interface, how):
    """Higher is better; classes without samples do not count."""
    return _MacroF1()
