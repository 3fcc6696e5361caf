"""Reports of phones join that of the host: exact figures from hand-made samples, and what does not go together is refused."""

import json
from pathlib import Path

import pytest
from conftest import run_json
from pydantic import ValidationError
from sample_reports import phone

from tflitekit import compare, merge
from tflitekit.core.errors import ModelError, UsageError
from tflitekit.results import Accelerator, Constraints, Latency, LatencyRatio, Samples, read_report
from tflitekit.results.latency import Conditions, DeviceState

VERSION_1 = Path(__file__).parents[1] / "data" / "report-version-1.json"
PIXEL, MOTO = "android:Pixel 8 (Android 15)", "android:moto g (Android 13)"
PROCESSES = (0, 0, 0, 3, 3, 3)


@pytest.fixture(scope="module")
def base():
    """A real report of the host: float32, dynamic_range, and a skipped int8 that counts as converted here."""
    report = read_report(VERSION_1)
    rows = {row.name: row for row in report.variants}
    made = rows["dynamic_range"]
    small = {"name": "int8", "scheme": "int8", "sha256": "8" * 64, "integer_op_fraction": 1.0}
    int8 = made.model_copy(update=small | {"size_bytes": made.size_bytes - 1})
    return report.model_copy(update={"variants": (rows["float32"], made, int8)})


def measured(base, times_us, **options):
    """Returns a phone's report with the same six rounds of seven samples for each variant."""
    report = phone(base, dict.fromkeys(times_us, 1.0), **options)
    rows = []
    for row in report.variants:
        middle = times_us[row.name]
        samples = Samples.of([[middle * (1 + 0.01 * i) for i in range(-3, 4)]] * 6, PROCESSES)
        rows.append(with_latency(row, samples=samples))
    return report.model_copy(update={"variants": tuple(rows)})


def with_latency(row, **update):
    return row.model_copy(update={"latency": row.latency.model_copy(update=update)})


def changed(report, **update):
    """Returns a report with something else in every latency."""
    return report.model_copy(update={"variants": tuple(with_latency(row, **update) for row in report.variants)})


TIMES = {"float32": 900.0, "dynamic_range": 450.0, "int8": 300.0}


def test_figures_are_derived_from_the_samples_alone(base):
    lies = LatencyRatio(baseline="float32", value=9, low=8, high=10, verdict="slower")
    found = merge(base, [changed(measured(base, TIMES), ratio=lies, value_ms=7.0, low_ms=7.0, throughput_per_s=(1.0,))])
    int8 = found.variant("int8").latency
    assert int8.median_ms == pytest.approx(0.3, rel=1e-6)
    assert int8.value_ms == int8.median_ms
    assert (int8.low_ms, int8.high_ms) == (int8.median_low_ms, int8.median_high_ms)
    assert int8.low_ms == pytest.approx(0.3, rel=1e-6)  # all rounds are alike
    assert int8.min_ms == pytest.approx(0.291, rel=1e-6)
    assert int8.p90_ms == pytest.approx(0.309, rel=1e-6)  # the highest six of 42 are alike
    assert (int8.runs, int8.rounds, int8.throughput_per_s) == (42, 6, ())
    assert (int8.ratio.baseline, int8.ratio.verdict) == ("float32", "faster")
    assert int8.ratio.value == pytest.approx(1 / 3, rel=1e-6)
    assert int8.ratio.low == pytest.approx(1 / 3, rel=1e-6)
    assert found.variant("float32").latency.ratio is None


def test_the_phone_decides_and_the_host_stays_beside_it(base):
    found = merge(base, [measured(base, TIMES)])
    for row in found.variants:
        assert row.latency.target == PIXEL
        assert row.other_latencies == (base.variant(row.name).latency,)
        assert row.accuracy == base.variant(row.name).accuracy
    answer = found.recommendation
    assert answer.chosen == "int8"
    assert answer.reasons[0].startswith(f"0.300 ms on {PIXEL}, 3 times faster than float32 there: as fast as any")
    assert not any("not measured on the target" in reason for reason in answer.reasons)
    others = {rejected.name: rejected.reasons[0] for rejected in answer.rejected}
    assert "takes 3.00 times as long as int8" in others["float32"]


def test_the_fastest_wins_over_the_smallest(base):
    found = merge(base, [measured(base, {"float32": 900.0, "dynamic_range": 300.0, "int8": 330.0})])
    assert found.recommendation.chosen == "dynamic_range"
    tied = merge(base, [measured(base, {"float32": 900.0, "dynamic_range": 300.0, "int8": 314.0})])
    assert tied.recommendation.chosen == "int8"  # within 5 %: the smaller file


def test_the_limit_is_judged_on_the_phone(base):
    slow = {"float32": 9000.0, "dynamic_range": 4500.0, "int8": 3000.0}
    found = merge(base, [measured(base, slow)], max_latency_ms=4)
    assert found.constraints == base.constraints.model_copy(update={"max_latency_ms": 4})
    assert found.recommendation.chosen == "int8"
    assert f"4.50 ms on {PIXEL}, more than the limit of 4 ms" in str(found.recommendation.rejected)
    none = merge(base, [measured(base, slow)], max_latency_ms=1)
    assert none.recommendation.chosen is None
    assert not none.recommendation.constraints_met
    own = base.model_copy(update={"constraints": Constraints(max_latency_ms=1)})
    assert merge(own, [measured(base, slow)]).recommendation.chosen is None


def test_of_several_phones_the_slowest_decides_variant_by_variant(base):
    fast = measured(base, {"float32": 900.0, "dynamic_range": 450.0, "int8": 800.0})
    slow = measured(base, {"float32": 2000.0, "dynamic_range": 1000.0, "int8": 500.0}, target=MOTO)
    found = merge(base, [fast, slow])
    targets = {row.name: row.latency.target for row in found.variants}
    assert targets == {"float32": MOTO, "dynamic_range": MOTO, "int8": PIXEL}
    int8 = found.variant("int8")
    assert [other.target for other in int8.other_latencies] == [MOTO, "host"]
    assert int8.latency.ratio.value == pytest.approx(800 / 900, rel=1e-6)  # to the baseline on the same phone
    assert int8.other_latencies[0].ratio.value == pytest.approx(0.25, rel=1e-6)


def test_a_phones_first_configuration_decides(base):
    one, four = measured(base, TIMES), measured(base, {name: us * 3 for name, us in TIMES.items()}, threads=4)
    assert merge(base, [one, four]).variant("int8").latency.threads == 1
    assert merge(base, [four, one]).variant("int8").latency.threads == 4
    gpu = changed(measured(base, TIMES), accelerator=Accelerator(requested="gpu", actual="cpu"))
    found = merge(base, [one, gpu])
    assert [other.accelerator.requested for other in found.variant("int8").other_latencies[:1]] == ["gpu"]
    assert "other-accelerator" in {finding.kind for finding in found.warnings}


def test_phones_can_be_added_one_after_the_other(base):
    phones = [
        measured(base, TIMES),
        measured(base, TIMES, threads=4),
        measured(base, {name: us * 2 for name, us in TIMES.items()}, target=MOTO, worst="severe"),
    ]
    at_once = merge(base, phones)
    step = base
    for one in phones:
        step = merge(step, [one])
    assert step.recommendation == at_once.recommendation
    assert [row.latency for row in step.variants] == [row.latency for row in at_once.variants]
    for mine, theirs in zip(step.variants, at_once.variants, strict=True):
        assert sorted(map(str, mine.other_latencies)) == sorted(map(str, theirs.other_latencies))
        assert mine.warnings == theirs.warnings
    assert set(step.warnings) == set(at_once.warnings)


def test_a_variant_without_a_measurement_on_every_phone_is_not_recommended(base):
    phones = [measured(base, TIMES), measured(base, {"float32": 900.0, "dynamic_range": 450.0}, target=MOTO)]
    found = merge(base, phones)
    int8 = found.variant("int8")
    assert int8.latency is None
    assert [other.target for other in int8.other_latencies] == [PIXEL, "host"]
    (note,) = [finding for finding in int8.warnings if finding.kind == "not-measured-on-phone"]
    assert note.message.startswith(f"Latency was not measured on {MOTO}")
    assert found.recommendation.chosen == "dynamic_range"
    reasons = {rejected.name: rejected.reasons for rejected in found.recommendation.rejected}
    assert reasons["int8"] == ("meets the limits, but its latency was not measured on the target",)


def test_why_a_phone_could_not_measure_a_variant_is_told(base):
    reason = "The variant 'int8' needs runtime 2.17 or newer; this app has 2.16.1."
    phone = measured(base, {"float32": 900.0, "dynamic_range": 450.0}, target=MOTO)
    failed = base.variant("int8").model_copy(update={"status": "failed", "error": reason, "latency": None})
    phone = phone.model_copy(update={"variants": (*phone.variants, failed)})
    found = merge(base, [phone])
    (note,) = [note for note in found.variant("int8").warnings if note.kind == "not-measured-on-phone"]
    assert note.message.endswith(f"cannot be recommended. {reason}") and note.advice is None
    assert note in merge(found, [measured(base, TIMES)]).variant("int8").warnings


def test_without_the_baseline_there_are_no_ratios(base):
    found = merge(base, [measured(base, {"int8": 300.0})])
    assert found.variant("int8").latency.ratio is None
    assert found.recommendation.chosen == "int8"


def test_heat_casts_doubt_on_the_answer(base):
    for hot in (
        measured(base, TIMES, worst="light"),
        changed(measured(base, TIMES), samples=Samples.of([[100.0 + 5 * i] * 7 for i in range(6)], PROCESSES)),
    ):
        found = merge(base, [hot])
        (doubt,) = [finding for finding in found.warnings if finding.kind == "throttled"]
        assert doubt.message.startswith(f"{PIXEL}, 1 thread, cpu: ")
        assert f"caution: {doubt.message}" in found.recommendation.reasons
    saving = Conditions(before=DeviceState(power_save=False), after=DeviceState(power_save=True))
    kinds = {finding.kind for finding in merge(base, [changed(measured(base, TIMES), conditions=saving)]).warnings}
    assert "power-save" in kinds and "throttled" not in kinds


def test_what_does_not_belong_to_the_report_is_refused(base):
    good = measured(base, TIMES)
    (row, *rest) = good.variants
    stranger = good.model_copy(update={"variants": (row.model_copy(update={"name": "int4"}), *rest)})
    with pytest.raises(UsageError, match="a variant 'int4' that the report does not have"):
        merge(base, [stranger])
    for sha256 in ("f" * 64, None):
        other = good.model_copy(update={"variants": (row.model_copy(update={"sha256": sha256}), *rest)})
        with pytest.raises(UsageError, match="another file as 'float32'"):
            merge(base, [other])
    with pytest.raises(UsageError, match=r"measures again what the report already has: .*Pixel 8"):
        merge(base, [good, good])
    with pytest.raises(UsageError, match="different protocols"):
        merge(base, [good, changed(measured(base, TIMES, target=MOTO), protocol="benchmark-model")])
    apart = [measured(base, {"int8": 300.0}), measured(base, {"float32": 900.0}, target=MOTO)]
    with pytest.raises(UsageError, match="No variant was measured on all phones"):
        merge(base, apart)
    with pytest.raises(UsageError, match="no phone's report to merge"):
        merge(base, [])
    with pytest.raises(UsageError, match="max-latency cannot be -1"):
        merge(base, [good], max_latency_ms=-1)
    with pytest.raises(UsageError, match="--deploy-on host"):
        merge(base.model_copy(update={"constraints": Constraints(deploy_on="host")}), [good])


def test_reports_without_usable_samples_are_refused(base):
    good = measured(base, TIMES)
    with pytest.raises(ModelError, match="not a phone's report: its latency was measured on host"):
        merge(base, [base])
    nothing = good.model_copy(
        update={"variants": tuple(row.model_copy(update={"latency": None}) for row in good.variants)}
    )
    with pytest.raises(ModelError, match="has no latencies"):
        merge(base, [nothing])
    for samples in (None, Samples.of([]), Samples.of([[1.0], []])):
        with pytest.raises(ModelError, match="no raw samples of 'float32'"):
            merge(base, [changed(good, samples=samples)])
    for value in (0.0, -1.0):
        with pytest.raises(ModelError, match="not times"):
            merge(base, [changed(good, samples=Samples.of([[1.0, value]]))])
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValidationError, match="a sample is not finite"):  # so no report can hold it
            Samples.of([[1.0, value]])
    with pytest.raises(ModelError, match="throughputs"):
        merge(base, [changed(good, statistic="throughput")])


def test_a_failure_on_the_phone_is_no_measurement(base):
    good = measured(base, TIMES)
    failed = {"status": "failed", "error": "needs the runtime 2.17", "latency": None}
    rows = [row.model_copy(update=failed) if row.name == "int8" else row for row in good.variants]
    found = merge(base, [good.model_copy(update={"variants": tuple(rows)})])
    assert found.variant("int8").latency is None
    assert found.recommendation.chosen == "dynamic_range"


def test_a_merged_report_is_not_compared_with_one_of_the_host(base):
    merged = merge(base, [measured(base, TIMES)])
    changes = {change.name: change for change in compare(base, merged).variants}
    (latency,) = [change for change in changes["int8"].changes if change.figure == "latency"]
    assert any("the target (host; now android:Pixel 8" in text for text in latency.unlike)
    with pytest.raises(UsageError, match="not measured in the same way"):
        compare(base, merged, max_latency_increase=5)


@pytest.fixture
def files(base, tmp_path):
    """The host's report in ``q/report.json``, phones in ``pixel.json`` and ``moto.json``."""
    (tmp_path / "q").mkdir()
    (tmp_path / "q" / "report.json").write_text(json.dumps(base.to_json()))
    (tmp_path / "pixel.json").write_text(json.dumps(measured(base, TIMES).to_json()))
    slow = {name: us * 3 for name, us in TIMES.items()}
    (tmp_path / "moto.json").write_text(json.dumps(measured(base, slow, target=MOTO).to_json()))
    return tmp_path


def test_the_command_shows_and_writes_all_views(files, cli):
    code, out, err = cli(
        "report", files / "q" / "report.json", files / "pixel.json", files / "moto.json", "--out", files / "m"
    )
    assert code == 0, err
    assert "Recommended: int8" in out
    assert "Latency by target" in out and "moto g (Android 13)" in out and "0.9 ms" in out.replace("0.900", "0.9")
    merged = read_report(files / "m")
    assert merged.variant("int8").latency.target == MOTO
    assert (files / "m" / merged.variant("int8").file).resolve().parent == files / "q"
    assert read_report(files / "q").variant("int8").latency.target == "host"
    markdown = (files / "m" / "report.md").read_text()
    assert "## Latency by target" in markdown and "Latency on this host" not in markdown
    csv = (files / "m" / "report.csv").read_text().splitlines()[0]
    assert (
        '"deciding_ms on' not in csv and "deciding_ms on Pixel 8 (Android 15)" in csv and "deciding_ms on host" in csv
    )
    page = (files / "m" / "report.html").read_text()
    assert "Latency by target" in page and "Not measured on the target" not in page
    # Once more over what was merged before, but never over a report of the host alone.
    assert cli("report", files / "q", files / "pixel.json", "--out", files / "m")[0] == 0
    code, _, err = cli("report", files / "q", files / "pixel.json", "--out", files / "q")
    assert code == 2 and "a report without phones" in err
    code, _, err = cli("report", files / "q", files / "pixel.json", "--format", "md")
    assert code == 2 and "none are written without --out" in err
    (files / "p").mkdir()
    (files / "p" / "report.json").write_bytes((files / "pixel.json").read_bytes())
    assert cli("report", files / "q", files / "moto.json", "--out", files / "p")[0] == 2


def test_the_command_judges_the_limit_and_keeps_nothing_unasked(files, cli):
    code, out, _ = cli("report", files / "q", files / "pixel.json", "--max-latency", "0.1")
    assert code == 1
    assert "Nothing was written" in out
    assert sorted(path.name for path in (files / "q").iterdir()) == ["report.json"]
    found = run_json(cli("report", files / "q", files / "pixel.json", "--max-latency", "0.4", "--json"))
    assert (found["recommendation"]["chosen"], found["constraints"]["max_latency_ms"]) == ("int8", 0.4)
    assert cli("report", files / "q", "--max-latency", "1")[0] == 2
    code, _, err = cli("report", files / "q", files / "q" / "report.json")
    assert code == 2 and "is not a phone's report" in err and "report.json" in err
    assert cli("report", files / "q", files / "none.json")[0] == 2


def test_a_report_without_phones_has_no_table_of_targets(files, cli):
    _, out, _ = cli("report", files / "q")
    assert "Latency by target" not in out
    assert "Latency by target" not in (files / "q" / "report.html").read_text()
    assert " on host" not in (files / "q" / "report.csv").read_text().splitlines()[0]


def test_latencies_of_hosts_keep_their_form(base):
    assert base.variant("float32").latency.conditions is None
    assert Latency.model_validate(base.variant("float32").latency.model_dump()) == base.variant("float32").latency
