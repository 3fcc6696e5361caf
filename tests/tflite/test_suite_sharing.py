"""Entries of a suite that differ in what latency is measured on need the same files and scores, which are made once."""

from dataclasses import replace

from suite_files import written

from tflitekit.core.files import write_same
from tflitekit.core.process.crew import THIS_MACHINE, Crew
from tflitekit.core.progress import Progress
from tflitekit.optimization.run import run
from tflitekit.optimization.suites.places import Places, order_of, root_of
from tflitekit.optimization.suites.reading import read_suite
from tflitekit.optimization.suites.sharing import alike, begin_like

SUITE = """
schemes = {schemes}
target = ["host", "ssh:pi@board"]
protocols = ["quick", "mlperf-mobile"]
[[models]]
name = "a"
path = "{model}"
data = ["d"]
[data.d]
evaluation = "{shapes}/test"
preprocess = "raw"
limit = 20
"""


class Nobody(Crew):
    """Refuses to convert and to evaluate anything."""

    def pool(self, **options):
        raise AssertionError("something was made again")


def orders(folder, text=SUITE, **parts):
    path = written(folder, text.format(**parts))
    suite = read_suite(path)
    places = Places(root_of(path, suite, None), folder, Progress())
    return {entry.name: order_of(suite, entry, folder / entry.name, places) for entry in suite.entries()}


def test_targets_and_protocols_are_entries_that_share_files_and_scores(variants, shapes, tmp_path):
    found = orders(tmp_path, schemes='["float32"]', model=variants / "float32.tflite", shapes=shapes)
    assert list(found) == [
        "a-quick-host",
        "a-quick-ssh-pi-board",
        "a-mlperf-mobile-host",
        "a-mlperf-mobile-ssh-pi-board",
    ]
    assert [list(group) for group in alike(found)] == [list(found)]
    first, second, *_ = found.values()
    made = run(first, THIS_MACHINE, Progress(), ahead=True)
    begin_like(first.out, second.out)
    assert not (second.out / "report.json").exists()
    again = run(second, Nobody(), Progress(), ahead=True)
    assert [row.sha256 for row in again.variants] == [row.sha256 for row in made.variants]
    assert [row.accuracy for row in again.variants] == [row.accuracy for row in made.variants]
    assert (second.out / "float32.tflite").samefile(first.out / "float32.tflite")
    begin_like(first.out, second.out)
    assert sorted(path.name for path in second.out.glob(".*")) == sorted(path.name for path in first.out.glob(".*"))


def test_what_shapes_files_or_scores_is_shared_by_none(variants, shapes, tmp_path):
    found = orders(tmp_path, schemes='["float32"]', model=variants / "float32.tflite", shapes=shapes)
    first, *_ = found.values()
    others = (
        replace(first, how=first.how.replaced(limit=10)),
        replace(first, how=first.how.replaced(schemes=("int8",))),
        replace(first, data=f"{shapes}/train"),
        replace(first, options=first.options.replaced(seed=7)),
    )
    assert all(len(alike({"one": first, "other": other})) == 2 for other in others)


def test_each_target_has_its_own_search_for_the_fastest_file(variants, shapes, tmp_path):
    text = SUITE.replace('"host", ', '"ssh:pi@other", ').replace("limit", f'calibration = "{shapes}/train"\nlimit')
    text = 'constraints = {{ deploy_on = "raspberry-pi" }}\n' + text
    found = orders(
        tmp_path, text, schemes='["mixed:minimize=latency"]', model=variants / "float32.tflite", shapes=shapes
    )
    assert [len(group) for group in alike(found)] == [1, 1, 1, 1]


def test_a_model_has_limits_of_its_own_and_the_suites_that_it_does_not_name(variants, shapes, tmp_path):
    own = "\n[[models]]\nname = 'b'\npath = '{model}'\ndata = ['d']\nconstraints = {{ min_fidelity = 98.0 }}\n[data.d]"
    text = "constraints = {{ max_accuracy_drop = 1.0, max_size_bytes = '9kB', deploy_on = 'host' }}\n" + SUITE.replace(
        "\n[data.d]", own
    )
    found = orders(tmp_path, text, schemes='["float32"]', model=variants / "float32.tflite", shapes=shapes)
    limits = {order.constraints.max_accuracy_drop for name, order in found.items() if name.startswith("a")}
    assert limits == {1.0}
    others = [order.constraints for name, order in found.items() if name.startswith("b")]
    assert {(one.max_accuracy_drop, one.min_fidelity, one.max_size_bytes, one.deploy_on) for one in others} == {
        (None, 98.0, 9000, "host")
    }


def test_a_second_name_is_that_of_the_same_content_until_one_is_replaced(tmp_path):
    (tmp_path / "a").write_text("one")
    write_same(tmp_path / "b" / "a", tmp_path / "a")
    write_same(tmp_path / "b" / "a", tmp_path / "a")
    (tmp_path / "c").write_text("two")
    write_same(tmp_path / "a", tmp_path / "c")
    assert (tmp_path / "b" / "a").read_text() == "one"
    assert (tmp_path / "a").read_text() == "two"
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["a"]
