"""Several outputs with labels: each has a metric of its own, and the limit knows which of them decide."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import DATA
from edit_tflite import edit_weights

from tflitekit import Constraints, evaluate, optimize
from tflitekit.accuracy.metric_choice import choose_metric
from tflitekit.core.errors import DataError, UsageError
from tflitekit.data.dataset import open_dataset
from tflitekit.data.kinds.arrays import Arrays
from tflitekit.options.evaluate import EvaluateOptions
from tflitekit.render import outputs_text
from tflitekit.results.recommendation import recommend
from tflitekit.tasks.interface import Interface
from tflitekit.tflite.runtime import Model

FILE = DATA / "converted" / "two_inputs" / "float32.tflite"


class Labelled(Arrays):
    """Samples with a label for each of several outputs."""

    def __init__(self, inputs, labels):
        super().__init__(inputs, labels=None, limit=None, seed=0, need_labels=False)
        self._by_output = labels

    def __iter__(self):
        for index, sample in enumerate(super().__iter__()):
            label = {name: values[index] for name, values in self._by_output.items()}
            yield replace(sample, label={n: int(v) if np.asarray(v).dtype.kind == "i" else v for n, v in label.items()})


def test_columns_that_are_called_as_outputs_are_not_left_out_in_silence(tmp_path):
    model = Model(FILE)
    interface = Interface(tuple(model.inputs), tuple(model.outputs))
    path = tmp_path / "test.csv"

    def chosen(columns, **how):
        path.write_text("\n".join([f"left_0,left_1,a-right_0,{columns}", *["0.5,0.5,0.5,1,2"] * 3]))
        return choose_metric(open_dataset(path, need_labels=False), interface, EvaluateOptions(**how))

    with pytest.raises(
        DataError, match=r"(?s)no labels, but columns .*: zeta, alpha\..*call them y\.zeta, y\.alpha.*fidelity"
    ):
        chosen("zeta,alpha")
    assert chosen("zeta,alpha", metric="fidelity").name == "fidelity"
    assert chosen("other,more").name == "fidelity"


@pytest.fixture(scope="module")
def inputs():
    generator = np.random.default_rng(3)
    return {"a-right": generator.normal(size=(80, 3)), "left": generator.normal(size=(80, 4))}


@pytest.fixture(scope="module")
def truth(inputs):
    """What the float file answers: the classes of one output, the values of the other."""
    model = Model(FILE)
    columns = [inputs[spec.name].astype(np.float32) for spec in model.inputs]
    rows = [model.run([column[index : index + 1] for column in columns]) for index in range(80)]
    return {"zeta": np.array([row[0][0].argmax() for row in rows]), "alpha": np.array([row[1][0] for row in rows])}


@pytest.fixture(scope="module")
def worse(tmp_path_factory):
    """Its second output is wrong, its first one right."""
    target = tmp_path_factory.mktemp("worse") / "worse.tflite"
    return edit_weights(FILE, target, lambda values: values[::-1], shape=(5, 7))


def test_each_output_has_its_metric_and_decides(inputs, truth, worse):
    data = Labelled(inputs, {"zeta": truth["zeta"], "alpha": truth["alpha"]})
    before, after = evaluate([FILE, worse], data=data).variants
    assert (before.accuracy.metric, before.accuracy.output, before.accuracy.value) == ("top1", "zeta", 1.0)
    assert {(one.metric, one.output) for one in before.other_metrics} >= {("mae", "alpha"), ("rmse", "alpha")}
    zeta, alpha = after.output_scores
    assert (zeta.output, zeta.accuracy.value, zeta.drop.value) == ("zeta", 1.0, 0.0)
    model = Model(worse)
    columns = [inputs[spec.name].astype(np.float32) for spec in model.inputs]
    found = np.array([model.run([c[i : i + 1] for c in columns])[1][0] for i in range(80)])
    assert alpha.accuracy.value == pytest.approx(np.abs(found - truth["alpha"]).mean(), rel=1e-5)
    assert alpha.decides and alpha.drop.verdict.startswith("worse by")
    answer = recommend([before, after], Constraints(), baseline="float32")
    assert answer.chosen == "float32"  # though the first output lost nothing
    assert any("mae of 'alpha'" in reason for reason in answer.rejected[0].reasons)

    (_, after) = evaluate([FILE, worse], data=data, output="zeta").variants
    assert [score.decides for score in after.output_scores] == [True, False]
    assert recommend([before, after], Constraints(), baseline="float32").constraints_met


def test_the_output_that_is_named_decides(inputs, truth, worse):
    data = Labelled(inputs, {"zeta": truth["zeta"], "alpha": truth["alpha"].argmax(axis=1)})
    found = evaluate([FILE, worse], data=data, output="alpha", constraints=Constraints(max_accuracy_drop=1))
    _, after = found.variants
    assert after.accuracy.output == "alpha"
    assert len(after.per_class) <= 5 and after.hits is not None
    titles, lines = outputs_text.table(found.variants, "float32")
    assert titles[:2] == ["Variant", "Output"]
    assert [line[:3] + line[-1:] for line in lines if line[0] == "worse"] == [
        ["worse", "zeta", "Top-1 accuracy", "–"],
        ["worse", "alpha", "Top-1 accuracy", "yes"],
    ]


def test_a_weighted_sum_decides(inputs, truth, worse):
    wrong = (truth["alpha"].argmax(axis=1) + 1) % 5
    classes = np.where(np.arange(80) % 4 == 0, wrong, truth["alpha"].argmax(axis=1))
    data = Labelled(inputs, {"zeta": truth["zeta"], "alpha": classes})
    before, after = evaluate([FILE, worse], data=data, output="zeta=3,alpha=1").variants
    assert before.accuracy.metric == "weighted"
    assert before.accuracy.value == pytest.approx(0.75 + 0.25 * 0.75)
    assert [score.weight for score in after.output_scores] == [0.75, 0.25]
    drops = [score.drop.value for score in after.output_scores]
    assert after.drop.value == pytest.approx(0.75 * drops[0] + 0.25 * drops[1])
    assert after.drop.low < after.drop.high  # also where nothing changed
    with pytest.raises(UsageError, match="unlike units: zeta by top1, alpha by mae"):
        evaluate(
            [FILE],
            data=Labelled(inputs, {"zeta": truth["zeta"], "alpha": truth["alpha"]}),
            output="zeta=0.5,alpha=0.5",
        )


def test_no_change_is_told_of_the_samples_that_there_are(inputs, truth, tmp_path):
    same = tmp_path / "same.tflite"
    same.write_bytes(FILE.read_bytes())
    data = Labelled(inputs, {"zeta": truth["zeta"], "alpha": truth["alpha"].argmax(axis=1)})
    (_, after) = evaluate([FILE, same], data=data, output="zeta=3,alpha=1").variants
    assert (after.drop.value, after.drop.n) == (0, 80)
    assert after.drop.low < 0 < after.drop.high


def test_a_figure_of_all_samples_is_weighted_in_each_draw(inputs, truth, worse):
    data = Labelled(inputs, {"zeta": truth["zeta"], "alpha": truth["alpha"].argmax(axis=1)})
    options = {"metric": ["zeta=roc-auc"], "output": "zeta=0.25,alpha=0.75"}
    before, after = evaluate([FILE, worse], data=data, **options).variants
    zeta, alpha = (score.accuracy for score in after.output_scores)
    assert (zeta.metric, zeta.value) == ("roc-auc", 1.0)
    assert after.accuracy.value == pytest.approx(0.25 + 0.75 * alpha.value)
    assert after.accuracy.low < after.accuracy.value < after.accuracy.high
    assert after.drop.value == pytest.approx(before.accuracy.value - after.accuracy.value)
    assert after.drop.low < after.drop.value < after.drop.high


def test_one_limit_is_for_one_unit(inputs, truth, tmp_path):
    data = Labelled(inputs, {"zeta": truth["zeta"], "alpha": truth["alpha"]})
    limit = Constraints(max_accuracy_drop=1)
    with pytest.raises(UsageError, match="unlike units: zeta by top1, alpha by mae"):
        evaluate([FILE], data=data, constraints=limit)
    with pytest.raises(UsageError, match="unlike units: zeta by top1, alpha by mae"):
        optimize(FILE, data=data, constraints=limit, out=tmp_path)
    assert not list(tmp_path.glob("*.tflite"))  # it is told before anything is converted
    evaluate([FILE], data=data, constraints=Constraints(max_accuracy_drop=1), output="zeta")


def test_names_are_checked_and_listed(inputs, truth):
    data = Labelled(inputs, {"zeta": truth["zeta"]})
    listed = r"'zeta' \[2\], 'alpha' \[5\]"
    for options in ({"output": "zeta=0.5,omega=0.5"}, {"metric": ["omega=top1"]}):
        with pytest.raises(UsageError, match=f"(?s)names 'omega', for which the data have no labels.*zeta.*{listed}"):
            evaluate([FILE], data=data, **options)
    with pytest.raises(DataError, match=f"(?s)labels for 'omega'.*no output of that name.*{listed}"):
        evaluate([FILE], data=Labelled(inputs, {"omega": truth["zeta"]}))
    single = {**inputs, "y": truth["zeta"]}
    with pytest.raises(
        UsageError, match=f"(?s)--metric names the output 'alpha', and the labels .* belong to one, 'zeta'.*{listed}"
    ):
        evaluate([FILE], data=single, metric="alpha=top1")
    with pytest.raises(UsageError, match="weighs outputs, and the labels"):
        evaluate([FILE], data=single, output="zeta=1,alpha=2")
    for text in ("zeta=0.5,alpha", "zeta=-1,alpha=2", "zeta=0,alpha=1"):
        with pytest.raises(UsageError, match=r"(?s)cannot be read at .*a weight above 0"):
            evaluate([FILE], data=data, output=text)
    with pytest.raises(UsageError, match="There is no metric 'nothing'"):
        evaluate([FILE], data=data, metric=["zeta=nothing"])


def test_a_metric_by_output_and_for_the_rest(inputs, truth):
    data = Labelled(inputs, {"zeta": truth["zeta"].astype(np.float32), "alpha": truth["alpha"].argmax(axis=1)})
    data._by_output["zeta"] = np.eye(2, dtype=np.float32)[truth["zeta"]]
    (row,) = evaluate([FILE], data=data, metric=["zeta=mae"]).variants
    assert [score.accuracy.metric for score in row.output_scores] == ["mae", "top1"]
