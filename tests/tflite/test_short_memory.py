"""A scheme for which the memory of a machine does not suffice: another machine tries, and the last one leaves it out."""

from concurrent.futures import Future

import pytest
from suite_files import written

from tflitekit.cluster.at_work import AtWork
from tflitekit.cluster.tasks import Attempt
from tflitekit.core.errors import OutOfMemoryError, as_known
from tflitekit.core.machine import machine_name
from tflitekit.core.process.crew import Crew
from tflitekit.core.process.workers import WorkerPool
from tflitekit.core.progress import Progress
from tflitekit.optimization.run import run
from tflitekit.optimization.suites.places import Places, order_of
from tflitekit.optimization.suites.reading import read_suite

SUITE = """
schemes = ["float16", "weight_only_int8"]
[[models]]
name = "m"
path = "{model}"
data = ["d"]
[data.d]
evaluation = "{shapes}/test"
preprocess = "raw"
limit = 10
"""


class Short(WorkerPool):
    """Has too little memory for one scheme. That a limit on memory becomes this error is tested with the pool."""

    def submit(self, call, arguments, *, label, **options):
        if label != "float16":
            return super().submit(call, arguments, label=label, **options)
        refused = Future()
        refused.set_exception(as_known(MemoryError("1 GiB")))
        return refused


class ShortOfMemory(Crew):
    def pool(self, *, jobs, timeout_s, preload=("numpy",)):
        return Short(jobs=1, timeout_s=timeout_s, preload=preload)


class ShortAtWork(ShortOfMemory, AtWork):
    """The same as a worker of a cluster."""


@pytest.fixture(scope="module")
def order(variants, shapes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("short")
    suite = read_suite(written(folder, SUITE.format(model=variants / "float32.tflite", shapes=shapes)))
    return order_of(suite, suite.entries()[0], folder / "out", Places(folder, folder, Progress()))


def row(report, name):
    return next(row for row in report.variants if row.name == name)


def test_on_one_machine_it_is_the_failure_of_that_scheme(order):
    report = run(order, ShortOfMemory(), Progress(), ahead=True)
    assert row(report, "float16").error.startswith("There is not enough memory.\n")
    assert row(report, "weight_only_int8").status == "ok"


def test_on_a_cluster_another_machine_tries_and_the_last_one_names_all(order):
    with ShortAtWork(Progress(), "one", Attempt()) as crew, pytest.raises(OutOfMemoryError):
        run(order, crew, Progress(), ahead=True)
    with ShortAtWork(Progress(), "one", Attempt(said=("far: There is not enough memory.",), last=True)) as crew:
        report = run(order, crew, Progress(), ahead=True)
    here = machine_name()
    assert (
        f"far: There is not enough memory.\n{here}: There is not enough memory. 1 GiB" in row(report, "float16").error
    )
    assert (row(report, "weight_only_int8").status, row(report, "weight_only_int8").reused) == ("ok", True)
