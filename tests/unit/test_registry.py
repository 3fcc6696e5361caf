"""What other packages add: found by the entry points in their metadata, and named where it cannot be loaded."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scripted_target import ScriptedSession, ScriptedTarget

from tflitekit import schemes, targets
from tflitekit.accuracy import metrics
from tflitekit.accuracy.metric_choice import choose_metric
from tflitekit.accuracy.metrics.custom import CustomMetric
from tflitekit.accuracy.metrics.pooled import PooledMetric
from tflitekit.accuracy.reading import _checked
from tflitekit.core.errors import DataError, ModelError, PackageError, UsageError, as_known
from tflitekit.core.registry import Registry
from tflitekit.core.tensor import TensorSpec
from tflitekit.data import kinds as data_kinds
from tflitekit.data.dataset import open_dataset
from tflitekit.data.parallel import process_chunks
from tflitekit.options.evaluate import ScoringOptions
from tflitekit.render import sections
from tflitekit.render.html import render
from tflitekit.results import read_report
from tflitekit.source import kinds as source_kinds
from tflitekit.source.models import identify
from tflitekit.targets.checked import CheckedTarget
from tflitekit.tasks.interface import Interface

EXAMPLE = Path(__file__).parents[1] / "plugins" / "example"
VERSION_1 = Path(__file__).parents[1] / "data" / "report-version-1.json"
KITS_OWN = "from tflitekit.schemes import Promise, scheme\n@scheme(promise=lambda options: Promise())\n"


def package(folder, text, entry="mine = broken_schemes"):
    """Makes an installed package whose entry point adds schemes."""
    (folder / "broken-1.dist-info").mkdir()
    (folder / "broken-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (folder / "broken-1.dist-info" / "entry_points.txt").write_text(f"[tflitekit.schemes]\n{entry}\n")
    (folder / "broken_schemes.py").write_text(text)
    return folder


def test_a_package_adds_one_of_each(install, tmp_path):
    (tmp_path / "data.dat").write_text("1 2.5 0\n3 4 1\n")
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(DataError, match="not a kind of data that the kit reads"):
        open_dataset(tmp_path / "data.dat")
    with pytest.raises(ModelError, match="not a kind of model that the kit converts"):
        identify(tmp_path / "model.pkl")
    before = render(read_report(VERSION_1))
    asked = (schemes, targets, data_kinds, source_kinds, metrics, sections)
    install(EXAMPLE, *(module._registry for module in asked))
    assert schemes.find("int16x8_float_fallback").needs == "calibration"
    assert list(schemes.available())[-1] == "int16x8_float_fallback"
    with pytest.raises(UsageError, match=r"(?s)no target 'nowhere'.*host-core0"), targets.open_target("nowhere"):
        pass
    found = open_dataset(tmp_path / "data.dat")
    assert (found.kind, found.location, [s.label for s in found]) == ("dat", str(tmp_path / "data.dat"), [0, 1])
    assert identify(tmp_path / "model.pkl").kind == "pickle"
    spec = TensorSpec(name="out", shape=(1, 2), dtype="float32")
    chosen = [
        choose_metric(found, Interface((), (spec,)), ScoringOptions(metric=name)).name
        for name in (None, "top1", "macro_f1")
    ]
    assert chosen == ["top1", "top1", "macro_f1"]
    with pytest.raises(
        UsageError,
        match=r"There is no metric 'f1'\.\nChoose from: (?=.*top1)(.*, )?macro_f1, (.*, )?agreement, (.*, )?or your own",
    ):
        choose_metric(found, Interface((), (spec,)), ScoringOptions(metric="f1"))
    page = render(read_report(VERSION_1))
    order = [page.index(f'id="{name}"') for name in ("latency", "tools", "accuracy")]
    assert order == sorted(order) and 'id="tools"' not in before


def test_the_command_line_sees_it():
    done = subprocess.run(
        [sys.executable, "-m", "tflitekit", "schemes"], capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": str(EXAMPLE), "COLUMNS": "84"},
    )  # fmt: skip
    assert "int16x8_float_fallback" in done.stdout
    assert "pruned_clustered_qat " in done.stdout  # no name is cut


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("tflitekit optimize --scheme int16x8_", "int16x8_float_fallback"),
        ("tflitekit benchmark --target host-", "host-core0"),
        ("tflitekit evaluate --metric macro_", "macro_f1"),
        ("tflitekit bundle --preprocess 0", "0-1"),
    ],
)
def test_names_are_completed_those_of_packages_too(words, found):
    done = subprocess.run(
        [sys.executable, "-c", "from tflitekit.cli import app; app(prog_name='tflitekit')"],
        capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(EXAMPLE), "_TFLITEKIT_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": "3"},
    )  # fmt: skip
    assert done.stdout.split() == [f"plain,{found}"]


@pytest.mark.parametrize(
    ("text", "entry", "reason"),
    [
        ("raise ValueError('out of luck')\n", "mine = broken_schemes", "ValueError: out of luck"),
        ("import no_such_module\n", "mine = broken_schemes", "No module named 'no_such_module'"),
        ("", "mine = another_name", "No module named 'another_name'"),
        ("", "mine = broken_schemes", "it registers none"),
        ("raise SystemExit('bye')\n", "mine = broken_schemes", "SystemExit: bye"),
        (KITS_OWN + 'def int8(converter):\n    """Mine."""\n', "mine = broken_schemes", "two schemes named 'int8'"),
    ],
)
def test_what_cannot_be_loaded_is_named_each_time(tmp_path, install, text, entry, reason):
    install(package(tmp_path, text, entry), schemes._registry)
    for _ in range(2):
        with pytest.raises(UsageError) as raised:
            schemes.available()
        assert f"The package 'broken' cannot add a scheme by its entry point '{entry}'" in raised.value.what
        assert reason in raised.value.what
        assert raised.value.what.count("\n") == 0
        assert "pip uninstall broken" in raised.value.fix


DATA = """from tflitekit.data.kinds import data_kind
from tflitekit.data.kinds.arrays import Arrays
@data_kind('broken')
def open_broken(source, **options):
    if not str(source).endswith('.broken'):
        return None
    class Broken(Arrays):
        def rows(self, name, chosen):
            raise RuntimeError('out of luck')
    return Broken({'x': [1, 2], 'y': [0, 1]}, **options)
"""


@pytest.mark.parametrize("jobs", [1, 2])  # threads and, on Linux, processes
def test_a_package_that_fails_later_is_named(tmp_path, install, jobs):
    package(tmp_path, DATA)
    (tmp_path / "broken-1.dist-info" / "entry_points.txt").write_text("[tflitekit.data]\nmine = broken_schemes\n")
    install(tmp_path, data_kinds._registry)
    found = open_dataset("some.broken")
    with pytest.raises(PackageError) as raised:
        list(process_chunks(found, 1, jobs, lambda: lambda chunk: None))
    assert raised.value.what == "The package 'broken' failed: RuntimeError: out of luck."
    assert f"{tmp_path / 'broken_schemes.py'}, line 9, in rows" in raised.value.why
    assert "pip uninstall broken" in raised.value.fix


def test_data_larger_than_memory_as_contributing_shows(tmp_path, install):
    text = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text().split('@data_kind("npy")')
    code = text[0].rsplit("```python\n", 1)[1] + '@data_kind("npy")' + text[1].split("```", 1)[0]
    package(tmp_path, code)
    (tmp_path / "broken-1.dist-info" / "entry_points.txt").write_text("[tflitekit.data]\nmine = broken_schemes\n")
    install(tmp_path, data_kinds._registry)
    np.save(tmp_path / "x.npy", np.arange(12, dtype=np.float32).reshape(4, 3))
    np.save(tmp_path / "y.npy", [0, 1, 0, 1])
    found = open_dataset(tmp_path, limit=2)
    assert (found.kind, len(found), found.available) == ("npy", 2, 4)
    assert sorted(sample.label for sample in found) == [0, 1]
    assert {tuple(sample.read()["x"]) for sample in found} < {(0, 1, 2), (3, 4, 5), (6, 7, 8), (9, 10, 11)}


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("size: dict = {}", "The option 'size' is annotated with neither a Literal nor bool, int, float or str"),
        ("size: int", "The option 'size' has no default"),
        ("size=1", "The option 'size' is annotated with neither"),
    ],
)
def test_an_option_that_cannot_be_is_named(tmp_path, install, option, reason):
    install(package(tmp_path, KITS_OWN + f'def mine(converter, *, {option}):\n    """Mine."""\n'), schemes._registry)
    with pytest.raises(UsageError, match="The package 'broken' cannot add a scheme") as raised:
        schemes.available()
    assert reason in raised.value.what


def test_a_check_that_takes_nothing_is_named(tmp_path, install):
    text = KITS_OWN.replace("()", "(), check=lambda: None", 1) + 'def mine(converter):\n    """Mine."""\n'
    install(package(tmp_path, text), schemes._registry)
    with pytest.raises(PackageError, match=r"broken_schemes\.<lambda> does not take what it is given"):
        schemes.parse_request("mine")


@pytest.mark.parametrize(
    ("group", "text", "use", "said"),
    [
        (
            data_kinds,
            "from tflitekit.data.kinds import data_kind\n@data_kind('mine')\ndef opens(source, **options):\n    return [1]\n",
            lambda: open_dataset("some.data"),
            "broken_schemes.opens returned an object of type list, instead of Dataset or None",
        ),
        (
            data_kinds,
            DATA.replace("raise RuntimeError('out of luck')", "return [1, 2]"),
            lambda: list(open_dataset("some.broken")),
            "broken_schemes.open_broken.<locals>.Broken.rows returned an object of type int, instead of ndarray or generic",
        ),
        (
            sections,
            "from tflitekit.render.sections import section\n@section(place=1)\ndef mine(view):\n    return 'text'\n",
            lambda: render(read_report(VERSION_1)),
            "broken_schemes.mine returned an object of type str, instead of Section",
        ),
        (
            sections,
            "from tflitekit.render.sections import section\nfrom tflitekit.render.blocks import Section\n"
            "@section(place=1)\ndef mine(view):\n    return Section('a', 'A', blocks=('text',))\n",
            lambda: render(read_report(VERSION_1)),
            "broken_schemes.mine returned an object of type str, instead of Table or Figure or Gallery or Note",
        ),
    ],
)
def test_what_a_package_returns_is_checked(tmp_path, install, group, text, use, said):
    package(tmp_path, text)
    name = {data_kinds: "data", sections: "sections"}[group]
    (tmp_path / "broken-1.dist-info" / "entry_points.txt").write_text(f"[tflitekit.{name}]\nmine = broken_schemes\n")
    install(tmp_path, group._registry)
    with pytest.raises(PackageError) as raised:
        use()
    assert raised.value.what == f"The package 'broken' failed: {said}."


@pytest.mark.parametrize("returned", [None, ("a", 1.0), ([], 1.0), ([float("nan")], 1.0), ([-1.0], 1.0)])
def test_times_that_cannot_be_are_refused(returned):
    class Odd(ScriptedTarget):
        def open(self, path, **_):
            session = ScriptedSession(self, "int8")
            session.run = lambda runs, seconds: returned
            return session

    with pytest.raises(PackageError, match="returned"):
        CheckedTarget(Odd()).open(Path("int8.tflite"), threads=1).run(1, 0)


def _with(method, answer):
    """Returns a target of which one method or attribute is wrong."""
    return type("Odd", (ScriptedTarget,), {method: answer})()


@pytest.mark.parametrize(
    ("target", "use", "said"),
    [
        (_with("open", lambda self, path, **_: None), "open", "returned None, instead of Session"),
        (
            _with("open", lambda self, path, **_: path),
            "open",
            "type PosixPath, which has no 'loaded', instead of Session",
        ),
        (_with("identity", lambda self: None), "identity", "returned None, instead of dict"),
        (_with("identity", lambda self: {"cores": {1}}), "identity", "returned what JSON cannot hold"),
        (_with("name", 3), None, "has a name that is not a text"),
        (_with("open", lambda self: None), "open", "<lambda> does not take what it is given"),
        (_with("profile", lambda self, path, **_: {}), "profile", "type dict, instead of Profile"),
        (_with("kind", "toaster"), None, "has 'toaster' as its kind, instead of host, phone"),
        (_with("good_for", ("speed",)), None, "has 'speed' as its good_for, instead of latency, memory, accuracy"),
    ],
)
def test_what_a_target_answers_is_checked(target, use, said):
    arguments = {} if use == "identity" else {"path": Path("int8.tflite"), "threads": 1}
    with pytest.raises(PackageError, match=said):
        getattr(CheckedTarget(target), str(use))(**arguments)


def test_a_target_or_metric_that_is_none_is_named(install, monkeypatch):
    install(EXAMPLE, targets._registry, metrics._registry)
    targets.register_target("nothing")(lambda: None)
    with pytest.raises(PackageError, match="returned None, instead of Target"), targets.open_target("nothing"):
        pass
    metrics.metric("nothing")(lambda dataset, spec, labels: None)
    data = open_dataset((np.zeros((2, 1), np.float32), [0, 1]))
    with pytest.raises(PackageError, match="returned None, instead of Metric"):
        choose_metric(
            data,
            Interface((), (TensorSpec(name="out", shape=(1, 2), dtype="float32"),)),
            ScoringOptions(metric="nothing"),
        )


def test_a_metric_that_is_not_a_number_is_an_error_where_the_output_is_one():
    metric = CustomMetric("odd", lambda output, label: float(output[0]) + (np.nan if label else 0.0))
    fine = metric.score(np.array([[1.0], [np.nan]], np.float32), [0, 0], meaning="values")
    assert fine["finite"].tolist() == [True, False]
    with pytest.raises(DataError, match="'odd' returned nan for an output that is finite"):
        metric.score(np.ones((2, 1), np.float32), [0, 1], meaning="values")


@pytest.mark.parametrize(
    ("scored", "said"),
    [
        (None, "did not return a dict with the column 'finite'"),
        ({"value": [1, 2]}, "did not return a dict with the column 'finite'"),
        ({"finite": [True, True], "value": [1]}, r"returned the column 'value' of shape \(1,\) for 2 samples"),
    ],
)
def test_scores_without_a_row_for_each_sample_are_refused(scored, said):
    with pytest.raises(PackageError, match=said):
        _checked(CustomMetric("odd", lambda output, label: 0.0), scored, 2)


class _Mean(PooledMetric):
    name = "mean"

    def columns(self, outputs, labels, meaning):
        return {"value": outputs.reshape(len(labels))}

    def figure(self, columns):
        return columns["value"].mean()


def test_a_figure_of_all_samples_has_the_interval_and_the_comparison_of_a_mean_where_it_is_one():
    values = np.random.default_rng(0).normal(1, 0.3, (2, 500, 1))
    pooled, single = _Mean(), CustomMetric("mean", lambda output, label: float(output[0]))
    one, two = ([metric.score(each, [0] * 500, meaning="values") for each in values] for metric in (pooled, single))
    (ours,), (wanted,) = pooled.summarize(one[0]), single.summarize(two[0])
    assert (ours.n, ours.higher_is_better) == (500, True)
    # 400 draws put the ends of an interval within a tenth of its width.
    near = pytest.approx((wanted.low, wanted.high), abs=0.1 * (wanted.high - wanted.low))
    assert ours.value == pytest.approx(wanted.value) and (ours.low, ours.high) == near
    ours, wanted = pooled.drop(one[0], one[1], None), single.drop(two[0], two[1], None)
    assert ours.value == pytest.approx(wanted.value)
    assert (ours.low, ours.high) == pytest.approx((wanted.low, wanted.high), abs=0.1 * (wanted.high - wanted.low))
    assert ours.p_value == pytest.approx(wanted.p_value, abs=0.1)
    assert pooled.drop(one[0], one[0], None).verdict == "no measurable difference"
    worse = {"value": one[0]["value"] - 0.5, "finite": one[0]["finite"]}
    assert pooled.drop(one[0], worse, None).verdict.startswith("worse by 0.5")


def test_a_figure_of_all_samples_that_is_none_names_the_package():
    class Odd(_Mean):
        def figure(self, columns):
            return None

    odd = Odd()
    scores = odd.score(np.ones((2, 1), np.float32), [0, 1], meaning="values")
    with pytest.raises(PackageError, match=r"Odd\.figure returned None, instead of float"):
        odd.summarize(scores)


def test_a_bug_of_the_kit_is_no_packages_failure(install):
    install(EXAMPLE, targets._registry)
    with pytest.raises(TypeError) as raised:
        targets.open_target(**{"nowhere": 1})
    assert as_known(raised.value) is None


def test_kinds_of_models_of_other_packages_are_asked_first(tmp_path, install):
    package(
        tmp_path,
        "from tflitekit.source.kinds import register_source\n"
        "class Zip:\n    name, shown, suffixes, has_layers = 'mine', None, ('.mine',), False\n"
        "    def recognizes(self, path, head):\n        return path.suffix == '.mine'\n"
        "register_source(Zip())\n",
    )
    (tmp_path / "broken-1.dist-info" / "entry_points.txt").write_text("[tflitekit.sources]\nmine = broken_schemes\n")
    install(tmp_path, source_kinds._registry)
    (tmp_path / "model.mine").write_bytes(b"PK\x03\x04 not a .keras file")
    assert identify(tmp_path / "model.mine").kind == "mine"


def test_installed_packages_are_looked_for_only_when_a_registry_is_asked():
    program = (
        "import tflitekit.schemes, tflitekit.targets, tflitekit.core.registry as r; "
        "assert r._installed.cache_info().misses == 0; tflitekit.schemes.available(); tflitekit.schemes.available(); "
        "assert r._installed.cache_info().misses == 1"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_two_threads_that_ask_first_both_find_all(tmp_path, monkeypatch):
    """The second asks while the first imports the module, which waits for it."""
    (tmp_path / "slowly").mkdir()
    (tmp_path / "slowly" / "__init__.py").touch()
    (tmp_path / "slowly" / "late.py").write_text(
        "from tests_registry import asked, registry\nasked.wait(0.5)\nregistry.add('late', 1, __name__)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    shared = ModuleType("tests_registry")
    shared.asked, shared.registry = threading.Event(), Registry("thing", "slowly", "tflitekit.nothing")
    monkeypatch.setitem(sys.modules, "tests_registry", shared)

    def second():
        try:
            return shared.registry.find("late")
        finally:
            shared.asked.set()

    with ThreadPoolExecutor(2) as pool:
        assert [each.result() for each in (pool.submit(shared.registry.find, "late"), pool.submit(second))] == [1, 1]
