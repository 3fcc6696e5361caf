"""Figures of stored reports over time: what belongs together, where it shifted, and what is said of it."""

import json
import re

import numpy as np
import pytest
from conftest import run_json
from hypothesis import given
from hypothesis import strategies as st
from sample_reports import HOSTILE
from stored_reports import nightly

from tflitekit import history, open_store
from tflitekit.core.errors import UsageError
from tflitekit.render import history as history_page
from tflitekit.render import history_text
from tflitekit.render import index as index_page
from tflitekit.render.plots.history import Points, course
from tflitekit.store.entry import device_of


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    found = open_store(tmp_path_factory.mktemp("stores") / "s")
    for number, report in enumerate(nightly()):
        found.add(report, commit=f"{number:040x}")
    for report in nightly(3, model="young.keras", shift_at=None):
        found.add(report)
    found.accept(found.entries("m.keras").entries[5], "release")
    return found


def only(found):
    (series,) = found.series
    return series


def test_a_shift_of_latency(store):
    series = only(history(store, model="m.keras", variant="int8", metric="latency"))
    assert len(series.points) == 24
    (change,) = series.changes
    assert change.earliest <= change.at == 12 <= change.latest
    assert change.low < 0.3 < change.high
    assert change.low > 0.2
    assert (change.verdict, change.method) == ("worse", "runs")
    assert [point.accepted for point in series.points].index(True) == 5
    ((verdict, sentence),) = history_text.change_lines([series])
    assert verdict == "worse"
    assert "% slower" in sentence
    assert "from 2026-01-13, commit 00000000 on" in sentence
    assert sentence.endswith("with it runtime runtime 1 → runtime 2.")


def test_a_shift_of_accuracy_also_covers_the_choice_of_the_samples(store):
    series = only(history(store, model="m.keras", variant="int8", metric="accuracy"))
    (change,) = series.changes
    assert (change.at, change.verdict, change.method) == (12, "worse", "runs and samples")
    assert change.value == pytest.approx(0.18, abs=0.01)
    # Welch's alone is far narrower than the choice of 400 samples leaves open: 1.96 * sqrt(0.18 * 0.82 / 400) is 0.038
    assert change.high - change.value == pytest.approx(0.038, abs=0.004)


def test_reports_without_samples_have_the_interval_of_each(tmp_path):
    store = open_store(tmp_path / "s")
    for report in nightly(data=None):
        store.add(report)
    (change,) = only(history(store, variant="int8", metric="accuracy")).changes
    # of two independent shares, which are wider than pairs: 1.96 * sqrt((0.9 * 0.1 + 0.72 * 0.28) / 400) is 0.053
    assert change.high - change.value == pytest.approx(0.053, abs=0.004)


def test_a_noisy_machine_is_told_beside_the_shift(tmp_path, cli):
    store = open_store(tmp_path / "s")
    for report in nightly(noisy={3, 13, 14}):
        store.add(report)
    size, latency = (only(history(store, variant="int8", metric=metric)) for metric in ("size", "latency"))
    ((_, of_size),), ((_, of_latency),) = (history_text.change_lines([series]) for series in (size, latency))
    assert "noisy" not in of_size
    told = "measured on a noisy or busy machine: 1 of 12 reports before, 2 of 12 after"
    assert of_latency.endswith(f"; {told}.")
    found = run_json(
        cli("history", "--store", store.folder, "--metric", "latency", "--out", tmp_path / "h.html", "--json")
    )
    (change,) = found["series"][1]["changes"]
    assert (change["noisy_before"], change["noisy_after"]) == (1, 2)
    assert [number for number, point in enumerate(found["series"][1]["points"]) if point["noisy"]] == [3, 13, 14]
    assert told in (tmp_path / "h.html").read_text()


def test_reports_that_resemble_those_before_them_are_told_beside_a_shift(tmp_path):
    store, slower = open_store(tmp_path / "s"), 1.0
    generator = np.random.default_rng(0)
    for report in nightly(60, shift_at=None):
        slower *= slower**-0.3 * float(generator.lognormal(0, 0.1))  # warm or cold for days
        timed = [row.latency.model_copy(update={"median_ms": slower, "low_ms": None}) for row in report.variants]
        rows = [row.model_copy(update={"latency": one}) for row, one in zip(report.variants, timed, strict=True)]
        store.add(report.model_copy(update={"variants": tuple(rows)}))
    series = only(history(store, variant="int8", metric="latency"))
    assert series.likeness == pytest.approx(0.7, abs=0.25)
    assert series.changes
    assert all("each report resembles the one before it" in said for _, said in history_text.change_lines([series]))
    assert only(history(store, variant="int8", metric="size")).likeness is None


def test_sizes_are_exact(store):
    series = only(history(store, model="m.keras", variant="int8", metric="size"))
    (change,) = series.changes
    assert (change.at, change.value, change.low, change.p_value, change.method) == (12, 0.1, 0.1, None, "exact")
    assert history(store, model="m.keras", variant="float32", metric="size").series[0].changes == ()


def test_noise_alone_shows_nothing_and_few_reports_are_not_tested(store):
    assert [s.changes for s in history(store, model="m.keras", variant="float32").series] == [(), (), ()]
    young = history(store, model="young.keras")
    assert [s.tested for s in young.series if s.figure != "size"] == [False] * 4
    assert "4 series with fewer than eight reports" in history_text.testing_line(young.series)


def test_only_what_can_be_compared_stands_in_one_series(tmp_path):
    store = open_store(tmp_path / "s")
    for report in (*nightly(2), *nightly(2, data="other data")):
        store.add(report)
    found = history(store, variant="int8")
    assert [(s.figure, len(s.points)) for s in found.series] == [
        ("accuracy", 2),
        ("accuracy", 2),
        ("size", 4),
        ("latency", 4),
    ]


def test_what_does_not_fit_is_told(store):
    with pytest.raises(UsageError, match=r"Nothing in .* fits") as raised:
        history(store, model="m.keras", variant="int4")
    assert raised.value.fix == "Variants: float32, int8. Devices: a cpu, 2 cores."
    with pytest.raises(UsageError) as raised:
        history(store, model="none")
    assert raised.value.fix == "Models: m.keras, young.keras."
    with pytest.raises(UsageError, match="no history of 'speed'"):
        history(store, metric="speed")


def test_devices():
    assert device_of("host", "host", {"cpu": "X", "cores": 2}) == "X, 2 cores"
    assert device_of("host", "host", {}) == "host"
    assert device_of("browser", "browser", {"cpu": "X", "cores": 2}) == "browser (X, 2 cores)"
    assert device_of("android:Pixel 8", "phone", {"cpu": "Tensor"}) == "android:Pixel 8"


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200))
def test_a_sparkline_fits_and_shows_the_ends(values):
    line = history_text.sparkline(values)
    assert len(line) == min(40, len(values))
    assert set(line) <= set("▁▂▃▄▅▆▇█")


# The commands


def test_history_in_the_terminal(store, cli, tmp_path):
    code, out, err = cli("history", "--store", store.folder, "--out", tmp_path / "h.html")
    assert (code, err) == (0, "")
    assert "young.keras" in out
    assert "worse: m.keras, int8, latency (median)" in out.replace("\n", " ")
    page = (tmp_path / "h.html").read_text()
    assert page.count('class="card plot') == 6
    code, out, _ = cli(
        "history", "--store", store.folder, "--model", "m.keras", "--variant", "int8", "--metric", "size"
    )
    assert "◆" in out  # one series is shown with its points
    assert "accepted" in out
    found = run_json(cli("history", "--store", store.folder, "--device", "A CPU", "--metric", "latency", "--json"))
    assert len(found["series"]) == 4
    assert cli("history", "--store", store.folder, "--device", "phone")[0] == 2


def test_a_page_opens_on_what_got_worse_else_on_what_is_recommended(tmp_path):
    store = open_store(tmp_path / "s")
    for report in (*nightly(), *nightly(3, model="young.keras", name="a", shift_at=None)):
        store.add(report)
    for model, first in (("m.keras", "int8"), ("young.keras", "a")):
        page = history_page.render(history(store, model=model))
        chosen = re.findall(r"(?:<input[^>]* checked><span><bdi>|<option[^>]* selected>)([^<]*)", page)
        assert [name.partition(",")[0] for name in chosen] == [first] * 3
    page = history_page.render(history(store))
    assert page.index("Latest shifts") < page.index('id="model-0"')
    assert '<a href="#model-0"><bdi>m.keras' in page


def test_a_point_of_a_plot_takes_few_bytes(store):
    """Each report is said once, for all plots; so is what plots of the same kind look like."""
    found = history(store)
    plots = json.loads(re.search(r'id="plots">(.*?)</script>', history_page.render(found), re.S)[1])
    assert len(plots["looks"]) <= 9  # three figures, with and without shifts, on one axis of time or another
    (shown,) = (one for one in found.series if (one.model, one.variant, one.figure) == ("m.keras", "int8", "latency"))
    sets = [plot["datasets"] for plot in plots["specs"]["model-0-latency"].values()]
    drawn = next(one["points"] for one in sets if "shifts" in one)
    assert drawn["v"] == pytest.approx([point.value for point in shown.points], rel=1e-4)
    assert [plots["points"]["report"][row] for row in drawn["row"]] == [point.report[:8] for point in shown.points]


def test_axes_say_what_people_write(tmp_path):
    series = []
    for count in (1, 2):
        store = open_store(tmp_path / f"{count}")
        for report in nightly(count, shift_at=None):
            store.add(report)
        series.append(only(history(store, variant="int8", metric="size")))
    for one, x_format in zip(series, ("%Y-%m-%d %H:%M UTC", {"hours": "%H:%M"}), strict=True):
        x, y = (course(one, "Size", Points())["encoding"][axis]["axis"] for axis in ("x", "y"))
        assert (y["title"], y["format"]) == ("Size in kB", ",.3~f")
        assert x["format"] == x_format if isinstance(x_format, str) else x["format"].items() >= x_format.items()


def test_index_links_pages_and_runs(tmp_path, cli):
    store = open_store(tmp_path / "s")
    first = store.add(
        nightly(1)[0], mlflow_run="r1", mlflow_link="https://mlflow.example.com/#/experiments/1/runs/r1"
    ).entry
    store.add(nightly(2)[1], mlflow_link="javascript:alert(1)")
    code, out, _ = cli("index", "--store", store.folder, "--out", tmp_path / "site" / "index.html", "--pages")
    assert (code, "2 reports" in out) == (0, True)
    page = (tmp_path / "site" / "index.html").read_text()
    assert f"pages/{first.id}.html" in page
    assert "https://mlflow.example.com/#/experiments/1/runs/r1" in page
    assert "javascript:" not in page
    assert "int8" in (tmp_path / "site" / "pages" / f"{first.id}.html").read_text()


def test_a_damaged_report_keeps_nobody_from_the_pages_of_the_others(tmp_path, cli):
    store = open_store(tmp_path / "s")
    first, second = (store.add(report).entry for report in nightly(2))
    (store.folder / "reports" / first.id / "report.json").write_text("{")
    code, out, err = cli("index", "--store", store.folder, "--out", tmp_path / "index.html", "--pages")
    assert (code, f"The report {first.short} in" in " ".join((out + err).split())) == (0, True)
    assert [path.stem for path in (tmp_path / "pages").iterdir()] == [second.id]
    assert first.short in (tmp_path / "index.html").read_text()


def test_a_history_names_runs_and_links_them(tmp_path, cli):
    store = open_store(tmp_path / "s")
    for day, report in enumerate(nightly(12, shift_at=6)):
        link = "javascript:alert(1)" if day < 6 else f"https://mlflow.example.com/#/runs/r{day}"
        store.add(report, mlflow_run=f"r{day}", mlflow_link=link)
    how = ("--variant", "int8", "--metric", "latency", "--out", tmp_path / "h.html")
    _, out, _ = cli("history", "--store", store.folder, *how)
    assert "MLflow" in out and "r11" in out
    page = (tmp_path / "h.html").read_text()
    assert '<a href="https://mlflow.example.com/#/runs/r6">' in page
    assert "javascript:alert" not in page


def test_an_index_of_nothing(tmp_path, cli):
    open_store(tmp_path / "s")
    assert cli("index", "--store", tmp_path / "s", "--out", tmp_path / "i.html")[0] == 0
    assert cli("history", "--store", tmp_path / "s")[0] == 2


@pytest.mark.parametrize("name", HOSTILE)
def test_names_from_foreign_reports_stay_text(tmp_path, cli, name):
    store = open_store(tmp_path / "s")
    for report in nightly(9, model=name.replace("/", "|"), name=name, shift_at=5):
        content = json.dumps(report.to_json())
        (tmp_path / "report.json").write_text(content)
        store.add(tmp_path)
    for command in ("history", "index"):
        code, out, _ = cli(command, "--store", store.folder, "--out", tmp_path / "page.html")
        assert code == 0
        assert "\x1b[31m" not in out
        page = (tmp_path / "page.html").read_text()
        assert "<script>alert(1)" not in page
        assert "<img src=x" not in page
        assert "\u202e" not in page
    _, out, _ = cli("store", "list", "--store", store.folder)
    assert "\u202e" not in out


def test_emulated_figures_are_marked(store):
    entry = store.entries("m.keras").entries[0]
    row = entry.rows[0].model_copy(update={"device": "gpu", "provenance": "emulated"})
    page = index_page.render([entry.model_copy(update={"rows": (row,)})], [], ())
    assert "gpu (emulated)" in page
