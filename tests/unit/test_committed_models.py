"""The models and files below tests/data were made by the script and the versions that the repository names today."""

import json

from conftest import DATA, made_from


def test_they_are_what_the_script_makes():
    found = json.loads((DATA / "made_from.json").read_text())
    assert found == made_from(), "Run python tests/make_models.py, which needs the convert extra."
