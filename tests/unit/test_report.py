"""The views of a report without a browser: what they hold, that they are safe, and that they stay small."""

import csv
import io
import itertools
import json
import re
from html.parser import HTMLParser
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_reports import HOSTILE, SAMPLES, extended, hostile, many_classes, regression

from tflitekit.cli import console
from tflitekit.cli.views.report import show_report
from tflitekit.core.printable import printable
from tflitekit.render import FORMATS, html, markdown, spreadsheet, summary, text, write_views
from tflitekit.render.sections import View
from tflitekit.render.sections.explanation import explanation
from tflitekit.render.sections.search import search
from tflitekit.results import Constraints, Finding, Report, read_report
from tflitekit.tflite.proof import Proof


@pytest.fixture(scope="module")
def report(optimized) -> Report:
    return read_report(optimized)


class Page(HTMLParser):
    """The parts of a page that matter here, as a browser's parser would see them."""

    def __init__(self, source):
        super().__init__(convert_charrefs=True)
        self.tags, self.scripts, self.text, self._in_script = [], [], "", None
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._in_script = dict(attrs) if tag == "script" else None

    def handle_endtag(self, tag):
        self._in_script = None

    def handle_data(self, data):
        if self._in_script is not None:
            self.scripts.append((self._in_script, data))
        else:
            self.text += data


@pytest.mark.parametrize("kind", SAMPLES)
def test_page_is_small_and_refers_to_nothing_outside(report, kind):
    source = html.render(SAMPLES[kind](report))
    assert len(source.encode()) < 2_000_000
    page = Page(source)
    for _, attributes in page.tags:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            assert re.match(r"#|data:image/jpeg;base64,", attributes.get(name) or "#")
        assert not [name for name in attributes if name.startswith("on")]
    policy = next(a["content"] for tag, a in page.tags if tag == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy
    assert not re.search(r"@import|url\(", next(iter(re.findall(r"<style>(.*?)</style>", source, re.S))))
    assert "None" not in page.text
    assert "nan" not in page.text.split()


def test_names_and_figures_stay_whole_in_a_narrow_terminal(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    name, loss = "pruned_qat-sparsity-0.75", "automobile −12.3 (−20.1 to −4.1)"
    columns = ("File", "Class that lost most, points", "Turned wrong / right", "Calibration error")
    console.show_table(columns, [("float32", "–", "–", "2.1%"), (name, loss, "123 / 20 of 1,000", "12.4% (10.1%)")])
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    for whole in (name, "123 / 20 of 1,000", "12.4% (10.1%)", "automobile"):
        assert whole in out


def test_without_a_terminal_training_still_says_how_it_goes(capsys):
    details = ["preparing the model", "epoch 1/2, loss 2", "epoch 1/2, loss 1", "", "epoch 2/2, loss 0.5"]
    with console.Bars().task("Training qat", 4) as advance:
        for detail in details:
            advance(1, detail)
    with console.Bars().task("Reading", 4) as advance:
        advance(1)
    assert capsys.readouterr().err.splitlines() == [
        f"Training qat: {details[index]}" for index in (0, 1, 4)  # the second of an epoch comes within half a minute
    ]  # fmt: skip


def test_names_that_look_like_markup_are_shown_as_they_are(monkeypatch):
    shown = console._PrintableConsole(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    monkeypatch.setattr(console, "stderr", shown)
    with console.Bars().task("Measuring a[/b]", 2) as advance:
        advance(1, "model[v2] of [/red]")
    said = shown.file.getvalue()
    assert "Measuring a[/b]" in said and "model[v2] of [/red]" in said


def test_limits_that_nobody_gave_are_not_called_met(report):
    assert report.recommendation.chosen
    none, given = Constraints(), Constraints(max_size_bytes=10**9)
    page = Page(html.render(report.model_copy(update={"constraints": none})))
    assert "Within the default limit" in page.text
    assert "All limits met" not in page.text
    assert "All limits met" in Page(html.render(report.model_copy(update={"constraints": given}))).text


def test_page_of_many_variants_and_classes_stays_small(report):
    first, *others = extended(many_classes(report, 24)).variants
    like = others[-1].model_copy(update={"explanation": None})  # of which there are three at most
    rows = [like.model_copy(update={"name": f"variant-{i}-of-many"}) for i in range(39)]
    source = html.render(report.model_copy(update={"variants": (first, *rows)}))
    assert len(source.encode()) < 2_000_000


def test_the_front_of_the_family_goes_through_variants_and_candidates(report):
    shown = extended(report)
    figure = next(one for one in search(View.of(shown)).figures if one.id == "family")
    values = figure.specs[""]["data"]["values"]
    finished = {value["variant"] for value in values if value["finished"]}
    assert finished == {row.name for row in shown.variants if row.status == "ok"}
    searched = next(row for row in shown.variants if row.search is not None)
    tried = [value for value in values if not value["finished"]]
    assert {value["variant"] for value in tried} == {searched.name}  # the other search was judged by something else
    assert len(tried) == sum(not point.chosen for point in searched.search.path)
    front = sorted((v for v in values if v["front"]), key=lambda v: v["kilobytes"])
    assert all(one["loss"] > other["loss"] for one, other in itertools.pairwise(front))
    for value in values:
        beaten = any(
            v["kilobytes"] <= value["kilobytes"] and v["loss"] <= value["loss"] and v is not value for v in front
        )
        assert beaten != value["front"]


def test_grids_begin_with_the_layer_that_is_to_blame(report):
    rows = extended(report).variants
    found = next(row.explanation for row in rows if row.explanation and len(row.explanation.layers) > 100)
    assert min(found.layers, key=lambda layer: layer.snr_db or 99).index != found.culprits[0].index
    section = explanation(View.of(extended(report)))
    figure = next(one for one in section.figures if one.id == "grid-1")
    (choice,) = figure.choices
    culprit = found.culprits[0]
    assert choice.options[choice.selected] == f"{culprit.index}  {culprit.layer} (CONV_2D)"
    assert [f"{one.index}  {one.layer} (CONV_2D)" in choice.options for one in found.culprits] == [True, True]


def test_figures_that_are_no_numbers_do_not_break_a_view(report, tmp_path):
    def spoiled(row):
        nan = row.accuracy.model_copy(
            update={"metric": "mine.py:loss", "value": float("nan"), "low": None, "high": None}
        )
        return row.model_copy(update={"accuracy": nan, "drop": row.drop.model_copy(update={"value": float("nan")})})

    first, *others = report.variants
    bad = report.model_copy(update={"variants": (first, *map(spoiled, others))})
    assert len(write_views(bad, tmp_path)) == len(FORMATS)
    plots = next(data for attributes, data in Page(html.render(bad)).scripts if attributes.get("id") == "plots")
    assert "latency-samples" in json.loads(plots, parse_constant=pytest.fail)["specs"]


def test_hostile_names_are_text_in_every_view(report):
    bad = hostile(extended(report))
    source = html.render(bad)
    page = Page(source)
    assert len(page.scripts) == len(Page(html.render(report)).scripts)
    plots = next(data for attributes, data in page.scripts if attributes.get("id") == "plots")
    assert json.loads(plots)["specs"]["tradeoff"]
    assert not {"<", ">", "\u2028"} & set(plots)
    for name in HOSTILE:
        assert printable(name) in page.text
    for view in (source, markdown.render(bad), spreadsheet.render(bad)):
        assert "\u202e" not in view and "\x1b" not in view
    assert not [a for tag, a in page.tags if tag == "img" and not a["src"].startswith("data:image/jpeg;base64,/9j/")]
    assert not re.search(r"(?<!\\)<(?!br>)", markdown.render(bad))
    rows = list(csv.DictReader(io.StringIO(spreadsheet.render(bad))))
    assert [row["variant"] for row in rows] == [printable(row.name) for row in bad.variants]


@pytest.mark.parametrize("start", "=+-@\t\r")
def test_no_formula_reaches_a_spreadsheet(report, start):
    name = f"{start}cmd|' /C calc'!A0"
    row = report.variants[0].model_copy(update={"name": name})
    rows = list(csv.reader(io.StringIO(spreadsheet.render(report.model_copy(update={"variants": (row,)})), newline="")))
    assert rows[1][0] == f"'{printable(name)}"


def test_csv_has_the_same_columns_for_every_report(report):
    heads = {
        tuple(
            name
            for name in next(csv.reader([spreadsheet.render(make(report)).splitlines()[0]]))
            if name != "rmse" and " on " not in name  # a further metric, and the targets of merged reports
        )
        for make in SAMPLES.values()
    }
    assert len(heads) == 1
    row = next(csv.DictReader(io.StringIO(spreadsheet.render(extended(report)))))
    assert float(row["accuracy_value"]) == report.variants[0].accuracy.value
    assert row["recommended"] in ("yes", "no")


def test_names_that_are_not_utf8_can_be_written(report, tmp_path):
    row = report.variants[0].model_copy(update={"name": "caf\udce9"})
    for path in write_views(report.model_copy(update={"variants": (row,)}), tmp_path, FORMATS):
        assert "xe9" in path.read_text(encoding="utf-8")


def test_markdown_shows_intervals_verdicts_and_worst_classes(report):
    shown = markdown.render(extended(report))
    assert re.search(r"\| int8 \|.* ±\d.* faster \|", shown)
    assert "**Caution:**" in shown
    assert "  *Close other programs, or measure longer.*" in shown
    many = markdown.render(many_classes(report))
    assert "The 10 classes that lost most" in many
    assert "390 more classes" in many


def test_identical_warnings_are_said_once(report):
    same = Finding(kind="noisy-machine", message="Noise.", advice="Close programs.")
    names = tuple(row.name for row in report.variants)
    rows = tuple(row.model_copy(update={"warnings": (same, same)}) for row in report.variants)
    quiet = report.model_copy(update={"warnings": ()})
    (found,) = summary.grouped_warnings(quiet.model_copy(update={"variants": rows}))
    assert (found.advice, found.said) == ("Close programs.", (("Noise.", names),))
    (found,) = summary.grouped_warnings(report.model_copy(update={"variants": rows, "warnings": (same,)}))
    assert found.said == (("Noise.", ()),)
    rows = tuple(
        row.model_copy(update={"warnings": (same.model_copy(update={"message": f"Noise of {row.name}."}),)})
        for row in report.variants
    )
    bad = quiet.model_copy(update={"variants": rows})
    (found,) = summary.grouped_warnings(bad)
    assert found.variants == names
    assert markdown.render(bad).count("Close programs") == html.render(bad).count("Close programs") == 1


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_pareto_front_is_what_nothing_beats(points):
    front = summary.pareto_front(points)
    assert any(front)
    for (cost, gain), best in zip(points, front, strict=True):
        beaten = any((c < cost and g >= gain) or (c <= cost and g > gain) for c, g in points)
        assert best is not beaten


def test_direction_of_a_metric_is_recognised(report):
    assert summary.higher_is_better(report)
    assert not summary.higher_is_better(regression(report))
    own = regression(report)
    renamed = [
        row.model_copy(update={"accuracy": row.accuracy.model_copy(update={"metric": "mine:loss"})})
        for row in own.variants
    ]
    assert not summary.higher_is_better(own.model_copy(update={"variants": tuple(renamed)}))


def test_page_draws_few_samples_and_keeps_their_distribution(report):
    row = extended(report).variants[0]
    drawn = re.search(r'<script type="application/json" id="plots">(.*?)</script>', html.render(extended(report)), re.S)
    spec = json.loads(drawn[1])["specs"]["latency-samples"]["0"]
    cloud = [entry["x"] for entry in spec["layer"][0]["data"]["values"] if entry["variant"] == row.name]
    samples = np.sort(np.concatenate(row.latency.samples.rounds())) / 1000
    assert len(cloud) == 80
    # 80 order statistics of the lower 99 %: their median is off by at most one step of 1/80 of the samples.
    low, high = np.quantile(samples, [0.48, 0.51])
    assert low <= np.median(cloud) <= high


def test_the_proof_is_one_line_on_the_page_and_in_the_terminal(report, monkeypatch):
    from rich.console import Console

    proof = Proof(
        original="keras 3.15.1", samples=4, origin="calibration", largest=2e-7, relative=3e-7, output="scores"
    )
    proved = report.model_copy(update={"source": report.source.model_copy(update={"proof": proof})})
    line = "computes what the original does (keras 3.15.1) on 4 calibration samples: largest difference 2e-07"
    assert line in Page(html.render(proved)).text
    screen = Console(width=400, file=io.StringIO(), highlight=False)
    monkeypatch.setattr(console, "stdout", screen)
    show_report(proved)
    assert line in screen.file.getvalue()


def test_terminal_of_80_columns(report, monkeypatch):
    from rich.console import Console

    for width in (80, 120, 160):
        screen = Console(width=width, file=io.StringIO(), highlight=False)
        monkeypatch.setattr(console, "stdout", screen)
        show_report(extended(report))
        lines = screen.file.getvalue().splitlines()
        assert max(map(len, lines)) <= width
        shown = "\n".join(lines)
        assert "Recommended" in shown
        assert re.search(r"\n {4}Close other programs", shown)
        assert ("× faster" in shown) == (width > 80)


def test_a_long_name_leaves_room_for_the_others(report, monkeypatch):
    from rich.console import Console

    rows = [row.model_copy(update={"name": "n" * 200}) if row.name == "float32" else row for row in report.variants]
    screen = Console(width=80, file=io.StringIO(), highlight=False)
    monkeypatch.setattr(console, "stdout", screen)
    show_report(report.model_copy(update={"variants": tuple(rows)}))
    assert " kB " in screen.file.getvalue() and " ±" in screen.file.getvalue()


def test_figures_for_people():
    assert [text.duration(value) for value in (0.03571, 0.15, 12.0, 99.96, 4321)] == [
        "35.7 µs", "0.150 ms", "12.0 ms", "100 ms", "4321 ms",
    ]  # fmt: skip
    assert text.signed(-0.004, 2) == "0.00"
    assert text.signed(-1.25, 1) == "−1.2"
    assert text.listed(["a"]) == "a"
    assert text.listed(["a", "b", "c"]) == "a, b and c"


def test_the_package_carries_the_page_with_its_licences():
    assets = files("tflitekit.render").joinpath("assets")
    assert {"vega.min.js", "vega-lite.min.js", "vega-embed.min.js", "sortable.min.js"} <= {
        p.name for p in assets.iterdir()
    }
    licences = assets.joinpath("LICENSES.txt").read_text(encoding="utf-8")
    assert "University of Washington Interactive Data Lab" in licences
    assert "Mike Bostock" in licences
    for script in ("vega", "vega-lite", "vega-embed", "sortable"):
        source = assets.joinpath(f"{script}.min.js").read_text(encoding="utf-8")
        assert "</script" not in source
        assert "<!--" not in source


def test_changes_are_shown_with_the_digits_of_their_metric(report):
    from tflitekit.results import Drop, Measured

    found = Drop(value=0.000103, low=-3.31e-05, high=0.000239, p_value=0.1, n=9, verdict="")
    error = Measured(metric="mae", value=0.2645, low=0.23, high=0.3, n=9)
    assert text.change(found, error) == ("+0.0001", "0.0000 to +0.0002")
    accuracy = Measured(metric="top1", value=0.76, low=0.7, high=0.8, n=9)
    assert text.change(found.model_copy(update={"value": 0.008, "low": -0.004, "high": 0.02}), accuracy) == (
        "−0.80 points",
        "−2.0 to +0.4",
    )
    quality = Measured(metric="psnr", value=22.1, low=22, high=22.2, n=9, higher_is_better=True)
    lost = Drop(value=0.05, low=-0.01, high=0.11, p_value=0.1, n=9, verdict="")
    assert text.change(lost, quality) == ("−0.05", "−0.11 to +0.01")  # as it is added to the value


def test_intervals_that_reach_further_to_one_side_have_their_bounds():
    from tflitekit.results import Measured

    found = Measured(metric="pck", value=0.998, low=0.99, high=1.0, n=9)
    assert text.with_interval(found) == "99.80% (99.0 to 100.0)"
    assert text.with_interval(found.model_copy(update={"low": 0.996})) == "99.80% ±0.2"
    assert text.with_interval(found.model_copy(update={"low": None})) == "99.80% (no interval)"
    assert text.with_interval(Measured(metric="mae", value=0.2, low=0.1, high=0.5, n=9)) == "0.2 (0.1 to 0.5)"
