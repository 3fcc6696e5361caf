"""Suite files."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SMALLEST = """
[[models]]
name = "m"
path = "m.keras"
data = ["d"]

[data.d]
evaluation = "test"
"""


def written(folder, text, name="small.toml"):
    path = folder / name
    path.write_text(text)
    return path
