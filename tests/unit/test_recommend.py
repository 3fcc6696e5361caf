"""The recommendation as a pure function of measurements and constraints."""

from rich.console import Console
from sample_reports import stage, training

from tflitekit.cli import console
from tflitekit.cli.views.report import show_report
from tflitekit.hardware import Hardware, load_profile
from tflitekit.render.markdown import render
from tflitekit.render.summary import further_warnings, grouped_warnings, refused
from tflitekit.results import (
    ClassRecall,
    Constraints,
    Drop,
    Finding,
    Latency,
    Measured,
    OpRow,
    OutputFidelity,
    PartLoss,
    Report,
    Sequential,
    VariantReport,
)
from tflitekit.results.choice import choose
from tflitekit.results.recommendation import broken_gates, recommend


def row(name, size, *, top1=0.8, drop=0.0, ms=1.0, integer=0.0, status="ok", metric="top1"):
    if status != "ok":
        return VariantReport(name=name, scheme=name, status=status, error="the converter refused\nlong text")
    return VariantReport(
        name=name,
        scheme=name,
        status="ok",
        sha256=name,
        size_bytes=size,
        integer_op_fraction=integer,
        accuracy=Measured(metric=metric, value=top1 - drop, low=0, high=1, n=1000),
        drop=Drop(value=drop, low=drop - 0.01, high=drop + 0.01, p_value=0.5, n=1000, verdict="as measured"),
        latency=Latency(
            target="host", threads=1, median_ms=ms, p90_ms=ms, p99_ms=ms, mean_ms=ms, min_ms=ms, init_ms=1,
            first_ms=1, runs=9, warmup_runs=1, protocol="quick", runtime="test",
        ),
    )  # fmt: skip


FLOAT, HALF = row("float32", 400), row("float16", 200)


def test_smallest_within_the_drop_limit_wins():
    found = recommend([FLOAT, HALF, row("int8", 100, drop=0.009), row("tiny", 50, drop=0.02)], Constraints())
    assert found.chosen == "int8"
    assert found.constraints_met
    reasons = {r.name: r.reasons[0] for r in found.rejected}
    assert "limit of 1 point" in reasons["tiny"]
    assert "4.0 times as large" in reasons["float32"]


def test_a_stricter_limit_changes_the_answer():
    variants = [FLOAT, HALF, row("int8", 100, drop=0.009)]
    assert recommend(variants, Constraints(max_accuracy_drop=0.5)).chosen == "float16"
    assert recommend(variants, Constraints(max_accuracy_drop=0)).chosen == "float16"


def test_equally_small_prefers_integers_then_accuracy():
    variants = [
        FLOAT,
        row("dynamic_range", 100),
        row("int8", 101, integer=1.0),
        row("worse", 100, integer=1.0, drop=0.005),
    ]
    assert recommend(variants, Constraints()).chosen == "int8"


def test_int16_activations_wait_behind_what_is_as_small_on_a_cpu():
    def with_ops(found, **counts):
        ops = tuple(OpRow(name="ADD", version=1, compute=c, count=n, weight_bytes=0) for c, n in counts.items())
        return found.model_copy(update={"ops": ops})

    slow = with_ops(row("int16x8", 100, integer=1.0), int16=9, float32=2)
    mixed = with_ops(row("mixed", 101, integer=0.5), int16=1, int8=9, float32=2)
    found = recommend([FLOAT, slow, mixed], Constraints())
    assert found.chosen == "mixed"
    assert "reference kernels" in next(r.reasons[0] for r in found.rejected if r.name == "int16x8")
    assert recommend([FLOAT, slow], Constraints()).chosen == "int16x8"
    there = [Hardware.of(load_profile(name)) for name in ("microcontroller", "android-npu")]
    assert all(choose([FLOAT, slow, mixed], FLOAT, False, hardware).chosen.name == "int16x8" for hardware in there)


def test_no_gain_no_change():
    assert recommend([FLOAT, row("dynamic_range", 400)], Constraints()).chosen == "float32"


def test_an_interval_beyond_the_limit_is_a_caution():
    found = recommend([FLOAT, row("int8", 100, drop=0.009)], Constraints(), cautions=["caution: chance"])
    assert found.reasons[0] == "caution: chance"
    assert any("interval of its drop reaches 1.9 points" in reason for reason in found.reasons)


def test_host_latency_never_decides_for_a_phone():
    variants = [FLOAT, row("int8", 100, ms=50.0)]
    found = recommend(variants, Constraints(max_latency_ms=2))
    assert found.chosen == "int8"
    assert any("not measured on the target" in reason and "not verified" in reason for reason in found.reasons)
    assert recommend(variants, Constraints(max_latency_ms=2, deploy_on="host")).chosen == "float32"
    assert recommend(variants, Constraints(max_latency_ms=2), latency_is_of_target=True).chosen == "float32"


def test_latency_out_of_reach_even_on_the_host():
    found = recommend([FLOAT, HALF], Constraints(max_latency_ms=0.01))
    assert found.chosen is None
    assert not found.constraints_met
    assert "no variant reaches 0.01 ms even on this host" in found.reasons[0]


def test_nothing_meets_says_what_comes_nearest():
    found = recommend([FLOAT, row("int8", 100, drop=0.03)], Constraints(max_size_bytes=90, max_accuracy_drop=1))
    assert (found.chosen, found.nearest, found.constraints_met) == (None, "float32", False)
    assert "float32 comes nearest: 400 bytes, more than the limit of 90" in found.reasons[1]
    assert {r.name for r in found.rejected} == {"float32", "int8"}


def test_failed_and_skipped_variants_are_explained():
    found = recommend([FLOAT, row("int8", 0, status="failed"), row("int16x8", 0, status="skipped")], Constraints())
    assert found.chosen == "float32"
    assert {r.name: r.reasons[0] for r in found.rejected} == {
        "int8": "failed: the converter refused",
        "int16x8": "skipped: the converter refused",
    }


def test_errors_are_judged_in_their_own_unit():
    variants = [row("float32", 400, metric="mae", top1=2.0), row("int8", 100, metric="mae", top1=2.0, drop=0.3)]
    assert recommend(variants, Constraints()).chosen == "float32"  # 5 % of the baseline is accepted by default
    assert recommend(variants, Constraints(max_accuracy_drop=0.5)).chosen == "int8"


def with_classes(variant, drops, n=500, half=0.02):
    """Adds classes whose recall of 90 % dropped by so much, with intervals of so much to both sides."""
    rows = tuple(
        ClassRecall(
            label=label,
            value=0.9 - value,
            low=0,
            high=1,
            n=n,
            drop=Drop(value=value, low=value - half, high=value + half, p_value=0.5, n=n, verdict="as measured"),
        )
        for label, value in drops.items()
    )
    return variant.model_copy(update={"per_class": rows})


def test_a_class_that_lost_too_much_rejects_a_variant_by_name():
    int8 = with_classes(row("int8", 100, drop=0.005), {"cat": 0.08, "dog": 0.06, "bird": -0.1})
    assert recommend([FLOAT, HALF, int8], Constraints()).chosen == "int8"
    found = recommend([FLOAT, HALF, int8], Constraints(max_class_drop=5))
    assert found.chosen == "float16"
    reasons = {r.name: r.reasons for r in found.rejected}["int8"]
    assert reasons == (
        "the recall of 'cat' falls from 90.0% to 82.0%, by 8.0 points (6.0 to 10.0, n = 500), more than the limit of 5 "
        "for a class; 1 other class too",
    )
    assert recommend([FLOAT, HALF, int8], Constraints(max_class_drop=8)).chosen == "int8"  # at the limit is within it


def test_few_samples_of_a_class_are_a_caution():
    int8 = with_classes(row("int8", 100), {"cat": 0.0, "dog": 0.02}, n=20, half=0.15)
    found = recommend([FLOAT, int8], Constraints(max_class_drop=5))
    assert found.chosen == "int8"
    assert (
        "caution: with 20 samples of 'dog' it cannot be told whether its recall drops by more than 5 points "
        "(interval -13.0 to 17.0); likewise 1 other class"
    ) in found.reasons
    over = with_classes(row("int8", 100), {"dog": 0.1}, n=20, half=0.15)
    (broken,) = broken_gates([FLOAT, over], Constraints(max_class_drop=5), baseline="float32")
    assert broken.reasons[0].endswith("for a class (though 20 samples cannot distinguish it from that)")


def test_a_sequential_decision_counts_instead_of_the_drop():
    def decided(drop, decision):
        found = row("int8", 100, drop=drop)
        known = Sequential(decision=decision, limit=0.01, low=-1, high=1, alpha=0.05, decided_at=400)
        return found.model_copy(update={"sequential": known})

    assert recommend([FLOAT, decided(0.011, "meets")], Constraints()).chosen == "int8"
    assert not any("caution" in r for r in recommend([FLOAT, decided(0.009, "meets")], Constraints()).reasons)
    breaks = decided(0.009, "breaks")
    assert recommend([FLOAT, breaks], Constraints()).chosen == "float32"
    assert [b.name for b in broken_gates([FLOAT, breaks], Constraints(), baseline="float32")] == ["int8"]


def test_only_limits_that_were_given_break_an_evaluation():
    bad = with_classes(row("int8", 100, drop=0.3), {"cat": 0.5})
    assert broken_gates([FLOAT, bad], Constraints(), baseline="float32") == ()
    (broken,) = broken_gates([FLOAT, bad], Constraints(max_accuracy_drop=1, max_class_drop=1), baseline="float32")
    assert (broken.name, len(broken.reasons)) == ("int8", 2)


def deflated(variant, size, **update):
    return variant.model_copy(update={"deflated_bytes": size} | update)


def test_files_of_one_size_are_chosen_by_what_a_download_costs():
    variants = [
        deflated(row("int8", 1000, integer=1.0), 900),
        deflated(row("qat", 1001, integer=1.0, drop=-0.01), 905),
        deflated(row("pruned_qat", 1000, integer=1.0, drop=0.005), 450),
        deflated(
            row("clustered_qat", 1000, integer=1.0, drop=0.002), 458
        ),  # within 5 % of 450: the smaller drop decides
        deflated(row("dynamic_range", 1000), 100),  # the share of integers decides before
    ]
    found = recommend(variants, Constraints(), baseline="int8")
    assert found.chosen == "clustered_qat"
    assert (
        "458 bytes deflated, 49% less than int8, which is as small as a file: an app download is compressed"
        in found.reasons
    )
    why = {r.name: r.reasons[0] for r in found.rejected}
    assert (
        why["int8"] == "as small as clustered_qat, but clustered_qat deflates to 49% less, which an app download saves"
    )
    assert why["pruned_qat"] == "meets the limits and is as small as clustered_qat, but not more accurate"
    assert "only 0% of its operators are integer" in why["dynamic_range"]


def test_deflated_sizes_within_five_percent_or_unknown_do_not_decide():
    int8, qat = row("int8", 100, integer=1.0, drop=0.002), row("qat", 100, integer=1.0, drop=0.001)
    found = recommend([FLOAT, deflated(int8, 1000), deflated(qat, 1050)], Constraints())
    assert found.chosen == "qat"
    assert not any("deflated" in reason for reason in found.reasons)
    assert recommend([FLOAT, deflated(int8, 1000), deflated(qat, 1051)], Constraints()).chosen == "int8"
    assert recommend([FLOAT, deflated(int8, 10), qat], Constraints()).chosen == "qat"


def test_a_float_file_that_deflates_better_is_a_gain():
    pruned = deflated(row("pruned", 400, drop=0.001), 200)
    assert recommend([deflated(FLOAT, 390), pruned], Constraints()).chosen == "pruned"
    assert recommend([deflated(FLOAT, 390), deflated(pruned, 385)], Constraints()).chosen == "float32"


def test_a_trained_variant_comes_with_what_its_accuracy_depends_on():
    against = Drop(value=0, low=-0.01, high=0.01, p_value=1, n=1000, verdict="no measurable drop")
    qat = row("qat", 100, integer=1.0).model_copy(
        update={"training": training(stage("quantize")), "control": "finetuned", "drop_from_control": against}
    )
    found = recommend([FLOAT, qat], Constraints(), data="cifar10/test")
    assert "against finetuned, the float model trained for the same steps: no measurable drop" in found.reasons
    (caution,) = [reason for reason in found.reasons if reason.startswith("caution: it was trained on")]
    assert "cifar10/train" in caution and "cifar10/test" in caution
    leak = Finding(kind="trained-on-evaluation-data", message="It was trained on what it was measured on.")
    found = recommend([FLOAT, qat.model_copy(update={"warnings": (leak,)})], Constraints(), data="cifar10/test")
    assert "caution: do not trust its accuracy. It was trained on what it was measured on." in found.reasons
    assert not any("trained on" in reason for reason in recommend([FLOAT], Constraints(), data="x").reasons)


def test_training_has_to_be_worth_it():
    def trained(name, drop):
        return row(name, 100, integer=1.0, drop=drop).model_copy(update={"training": training(stage("quantize"))})

    int8 = row("int8", 100, integer=1.0, drop=0.03)  # intervals reach 0.01 to both sides
    limits = Constraints(max_accuracy_drop=5)
    found = recommend([FLOAT, int8, trained("qat", 0.02)], limits)
    assert found.chosen == "int8"
    why = {r.name: r.reasons[0] for r in found.rejected}
    assert why["qat"] == "meets the limits, but is not measurably more accurate than int8, which needs no training"
    found = recommend([FLOAT, int8, trained("clustered", 0.02), trained("qat", 0.005), trained("best", 0.004)], limits)
    assert found.chosen == "best"
    why = {r.name: r.reasons[0] for r in found.rejected}
    assert "not measurably more accurate than int8" in why["clustered"]
    assert why["qat"] == why["int8"] == "meets the limits and is as small as best, but not more accurate"
    assert recommend([FLOAT, trained("qat", 0.02), trained("best", 0.019)], limits).chosen == "best"


def test_a_drop_that_few_samples_cannot_tell_is_named_with_its_interval():
    tuned = row("finetuned", 100, drop=0.015)
    unsure = tuned.drop.model_copy(update={"verdict": "too few samples to tell (drops 1.5 ± 1.0 points)"})
    found = recommend([FLOAT, tuned.model_copy(update={"drop": unsure})], Constraints())
    (rejected,) = found.rejected
    assert rejected.reasons == ("accuracy 78.5%, drops 1.5 points (interval 0.5 to 2.5), and the limit is 1 point",)


def loss(**update):
    values = {"columns": "4 to 6", "count": 3, "cause": "constant", "broken": True, "explained": -0.7, "text": "columns 4 to 6 of the output 'both': constant (0)"}  # fmt: skip
    return PartLoss(**values | update)


def with_loss(variant, found):
    output = OutputFidelity(output="both", scored=True, values=60, columns=7, compared=7, explained=0.99, lowest=-0.7, losses=(found,))  # fmt: skip
    kind = "broken-part" if found.broken else "damaged-part"
    warning = Finding(kind=kind, message=f"{found.text.capitalize()}.", advice="Split the output.")
    return variant.model_copy(update={"fidelity": (output,), "warnings": (warning,)})


def test_a_broken_part_rejects_a_variant_within_every_limit():
    broken = with_loss(row("int8", 100, drop=0.02), loss())
    found = recommend([FLOAT, HALF, broken], Constraints())
    assert found.chosen == "float16"
    (rejected,) = (r for r in found.rejected if r.name == "int8")
    assert rejected.reasons[0].startswith("columns 4 to 6 of the output 'both': constant (0)")
    assert "more than the limit" in rejected.reasons[1]
    assert recommend([FLOAT, HALF, with_loss(row("int8", 100), loss(broken=False))], Constraints()).chosen == "int8"


def test_nothing_is_recommended_while_the_baseline_is_at_chance():
    unfit = Finding(
        kind="chance", message="The baseline's accuracy is no better than chance.", advice="Check the data."
    )
    failed = row("int16x8", 0, status="failed")
    found = recommend([FLOAT, row("int8", 100), failed], Constraints(max_size_bytes=10_000), unfit=unfit)
    assert (found.chosen, found.nearest, found.constraints_met) == (None, None, False)
    assert found.reasons[:2] == (
        "nothing can be recommended yet: the baseline's accuracy is no better than chance",
        "Check the data",
    )
    assert [r.reasons[0].partition(":")[0] for r in found.rejected] == ["cannot be judged yet"] * 2 + ["failed"]


def reported(variants, warnings=(), **options):
    return Report(
        tool={}, created="", machine={}, source=None, dataset=None, contract=None, baseline="float32",
        constraints=Constraints(), variants=tuple(variants), warnings=tuple(warnings),
        recommendation=recommend(variants, Constraints(), **options),
    )  # fmt: skip


def test_each_failure_is_said_once_and_the_gravest_first(capsys, monkeypatch):
    failed = [row(name, 0, status="failed").model_copy(update={"error": "no such operator\nWrite another"}) for name in ("qat", "int16x8")]  # fmt: skip
    noise = [Finding(kind=kind, message=f"The {kind}.", advice="Measure again.") for kind in ("noisy-machine", "budget-spent", "few-samples")]  # fmt: skip
    source = Finding(kind="source", message="Loaded with tf_keras.")
    coarse = Finding(kind="damaged-part", message="Column 2 of the output 'both': in steps of 3.")
    half = HALF.model_copy(update={"warnings": (coarse,)})
    variants = [FLOAT, half, with_loss(row("int8", 100), loss()), *failed]
    report = reported(variants, [*noise, source])
    assert [(other.variants, other.advice) for other in refused(report)] == [(("float32",), ()), (("int8",), ("Split the output.",))]  # fmt: skip
    assert [warned.kind for warned in further_warnings(report)] == ["damaged-part", "source", "latency-doubts"]
    assert [warned.kind for warned in grouped_warnings(report)] == ["broken-part", "damaged-part", "source", *(f.kind for f in noise)]  # fmt: skip
    monkeypatch.setattr(console, "stdout", Console(width=200))
    show_report(report)
    shown = capsys.readouterr().out
    for once in ("no such operator", "Failed: qat, int16x8:", "olumns 4 to 6 of the output", "Split the output.", "wide intervals, the protocol ran out of time, few samples"):  # fmt: skip
        assert shown.count(once) == 1, shown
    assert "Measure again." not in shown
    text = render(report)
    assert text.count("no such operator") == 2  # once for each variant, below one title
    assert "| int8 | both | 7 of 7 | 99.0% | 0.0% | 4 to 6: constant |" in text


def test_what_is_no_recommendation_is_not_a_warning_too(capsys, monkeypatch):
    unfit = Finding(kind="no-baseline", message="The baseline float32 failed.", advice="Fix it first.")
    failed = row("float32", 0, status="failed")
    report = reported([failed, HALF], [unfit], unfit=unfit)
    assert further_warnings(report) == []
    monkeypatch.setattr(console, "stdout", Console(width=200))
    show_report(report)
    shown = capsys.readouterr().out
    assert (
        shown.count("Fix it first") == shown.count("nothing can be recommended yet: the baseline float32 failed") == 1
    )
