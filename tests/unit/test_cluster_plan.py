"""The simulation behind docs/capacity.md."""

import pytest

from edge_benchmarks.cluster_plan import Inputs, plan_of, plans, simulate

EXACT = Inputs(ahead_s=10, spread=0, files=2, per_file_s=3, scheduler_s=0)


def test_every_task_is_done_once_and_takes_its_time():
    plan = plan_of(7, 5, changed=1, each=3)
    night = simulate(EXACT, plan, workers=3, devices=5)
    assert night.tasks == 7 + 7 * 3
    assert (night.worker_busy_s, night.device_busy_s) == (70, 7 * 3 * 6)


def test_one_worker_and_one_device_take_the_sum():
    night = simulate(EXACT, plan_of(4, 1, changed=1, each=1), workers=1, devices=1)
    assert night.ahead_s == 40
    assert night.wall_s == 46  # the device is faster: it ends after the last model is ready


def test_devices_that_are_slower_than_workers_decide():
    slow = Inputs(ahead_s=1, spread=0, files=6, per_file_s=30, scheduler_s=0)
    nights = [simulate(slow, plan_of(50, 4, changed=1, each=4), workers, devices=4) for workers in (1, 50)]
    assert [night.wall_s for night in nights] == [1 + 50 * 180] * 2


def test_a_slow_scheduler_decides_where_tasks_are_short():
    short = Inputs(ahead_s=0.1, spread=0, files=1, per_file_s=0.1, scheduler_s=1)
    assert simulate(short, plan_of(20, 20, changed=1, each=20), workers=20, devices=20).wall_s >= 400


def test_durations_vary_around_their_mean():
    night = simulate(Inputs(ahead_s=10, spread=0.3), [[0]] * 2000, workers=5, devices=1)
    assert night.worker_busy_s == pytest.approx(20000, rel=0.03)


@pytest.mark.parametrize(("models", "devices"), [(500, 200), (3, 1)])
def test_plans_share_work_between_devices(models, devices):
    for plan in plans(models, devices).values():
        counts = [sum(wanted.count(device) for wanted in plan) for device in range(devices)]
        assert max(counts) - min(counts) <= 1
        assert all(len(set(wanted)) == len(wanted) for wanted in plan)
