"""Anomaly detection: a model that gives back its input, more or less, on normal samples and others."""

import numpy as np
import pytest
from echo_model import echo_model

from tflitekit.accuracy.evaluation import evaluate
from tflitekit.core.errors import DataError, UsageError
from tflitekit.tflite.runtime import Model


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One file that is exact, and one that rounds to 0.25 and cannot hold more than 1.75."""
    folder = tmp_path_factory.mktemp("files")
    exact = echo_model(folder / "float32.tflite", (1, 4, 4, 1), "float32")
    return [exact, echo_model(folder / "int8.tflite", (1, 4, 4, 1), "int8", scale=0.25, zero_point=120)]


def samples(n=60):
    random = np.random.default_rng(1)
    labels = np.arange(n) % 2
    values = random.random((n, 4, 4, 1)) + labels[:, None, None, None] * random.choice([0.2, 1.5], (n, 1, 1, 1))
    return values.astype(np.float32), labels


def test_area_is_that_of_the_reconstruction_error(files):
    reference = pytest.importorskip("sklearn.metrics")
    values, labels = samples()
    (row,) = evaluate(files[1:], data=(values, labels), metric="anomaly-auc", jobs=1).variants
    model = Model(files[1])
    errors = [np.square(model.run([one[None]])[0].reshape(-1) - one.reshape(-1)).mean() for one in values]
    assert row.accuracy.metric == "anomaly-auc"
    assert row.accuracy.value == pytest.approx(reference.roc_auc_score(labels, errors), abs=1e-6)
    assert row.accuracy.low < row.accuracy.value < row.accuracy.high


def test_a_model_without_errors_knows_nothing(files):
    values, labels = samples()
    base, other = evaluate(files, data=(values, labels), metric="anomaly-auc", jobs=1).variants
    assert base.accuracy.value == 0.5  # all errors are zero: ties
    assert other.drop.value == pytest.approx(0.5 - other.accuracy.value)
    assert other.drop.verdict.startswith("gains")


def test_labels_and_outputs_that_do_not_fit(files, tmp_path):
    values, labels = samples(10)
    with pytest.raises(DataError, match="All samples have one label"):
        evaluate(files[:1], data=(values, np.zeros(10, int)), metric="anomaly-auc", jobs=1)
    with pytest.raises(DataError, match=r"are not 0 \(normal\) and 1 \(anomaly\)"):
        evaluate(files[:1], data=(values, labels + 1), metric="anomaly-auc", jobs=1)
    with pytest.raises(UsageError, match="needs labels"):
        evaluate(files[:1], data={"x": values}, metric="anomaly-auc", jobs=1)


def test_a_reconstruction_is_one_of_several_outputs(files):
    values, labels = samples(20)
    name = Model(files[1]).outputs[0].name
    data = [(value, {name: int(label)}) for value, label in zip(values, labels, strict=True)]
    (alone,) = evaluate(files[1:], data=(values, labels), metric="anomaly-auc", jobs=1).variants
    (row,) = evaluate(files[1:], data=lambda: iter(data), metric=f"{name}=anomaly-auc", jobs=1).variants
    assert row.output_scores[0].accuracy.value == alone.accuracy.value
