"""The README's commands run as they stand there, in a folder that has the files that they name."""

import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_commands_and_python_run_as_they_stand(models, shapes, tmp_path, monkeypatch, cli):
    shutil.copy(models / "shapes.keras", tmp_path / "model.keras")
    shutil.copytree(shapes, tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    commands = [
        line for kind, text in BLOCKS if not kind for line in text.splitlines() if line.startswith("tflitekit ")
    ]
    verbs = ["optimize", "optimize", "compare", "optimize", "history", "suite", "index", "optimize", "check"]
    assert [command.split()[1] for command in commands] == verbs

    def run(command):
        return cli(*shlex.split(command)[1:])

    # The model takes raw pixels, so that the README's --preprocess makes a bad one; the preset that fits is told.
    code, out, err = run(commands[0])
    assert code in (0, 1), err
    assert "--preprocess raw" in out
    for name in ("report.html", "report.md", "report.csv", "report.json", "int8.tflite", "int8.json"):
        assert (tmp_path / "build" / name).is_file()
    shutil.copytree(tmp_path / "build", tmp_path / "accepted")
    code, _, err = run(commands[2])
    assert code == 0, err
    _, _, err = run(commands[3])  # takes what is finished, and stores the report
    assert "Added to results: report" in err
    code, out, err = run(commands[4])
    assert code == 0, err
    assert "int8" in out
    code, out, err = run(commands[6])  # the suite before it runs on a cluster, as others do in test_cluster.py
    assert code == 0, err
    assert (tmp_path / "models.html").is_file()
    code, out, err = run(commands[8])
    assert code == 0, err
    assert "run on the GPU, but computed otherwise" in " ".join(out.split())
    code, _, err = run(commands[1])  # trains
    assert code == 0, err
    for name in ("qat", "pruned", "clustered", "finetuned", "finetuned-then-int8"):
        assert (tmp_path / "build" / f"{name}.tflite").is_file()
    (program,) = [text for kind, text in BLOCKS if kind == "python"]
    Path("program.py").write_text(program, encoding="utf-8")
    runpy.run_path("program.py", run_name="__main__")  # here, where the commands' workers have TensorFlow already


def test_the_five_commands_to_an_app(optimized, shapes, tmp_path, android_tools):
    """From the second on, which take a finished run; the first is run above, and for the last there is no phone here."""
    shutil.copytree(optimized, tmp_path / "build")
    shutil.copytree(shapes, tmp_path / "photos")
    (tmp_path / "android_demo").symlink_to(Path(__file__).parents[2] / "android_demo")
    (text,) = [text for kind, text in BLOCKS if kind == "sh"]
    optimize, bundle, build, doctor, install = text.splitlines()
    assert optimize in [line for kind, text in BLOCKS if not kind for line in text.splitlines()]
    assert install.startswith("adb install ")
    for command in (bundle, build):
        program, *arguments = shlex.split(command)
        prefix = ["-m", program] if program == "tflitekit" else []
        done = subprocess.run(
            [sys.executable, *prefix, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(doctor)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr  # 1: the runtime on Maven Central is not linked for 16 KB pages
    assert "org.tflitekit.demo" in done.stdout
    assert "int8.tflite" in done.stdout
