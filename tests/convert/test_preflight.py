"""The main process stays light, also where a model is loaded."""

from light_process import run_light


def test_preflight_loads_the_model_in_a_process_of_its_own(models):
    done = run_light("preflight", models / "shapes.keras")
    assert done.returncode == 0, done.stderr
