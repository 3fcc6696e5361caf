"""Every public function says what it takes, returns and raises, and shows an example that names real parameters."""

from __future__ import annotations

import ast
import doctest
import inspect

import pytest

import tflitekit as tk

FUNCTIONS = [name for name in tk.__all__ if inspect.isfunction(getattr(tk, name))]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_docstring_is_complete(name):
    function = getattr(tk, name)
    doc = inspect.getdoc(function)
    arguments = doc.partition("Args:")[2].partition("\n\n")[0]
    for parameter in inspect.signature(function).parameters:
        assert f"\n    {parameter}: " in arguments
    assert "\n\nRaises:\n    " in doc or name == "recommend"  # which judges what was checked before
    for part in ("Returns:", "Example:"):
        assert f"\n\n{part}\n    " in doc


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_example_calls_it_with_parameters_that_it_has(name):
    source = "".join(line.source for line in doctest.DocTestParser().get_examples(inspect.getdoc(getattr(tk, name))))
    calls = [call for call in ast.walk(ast.parse(source)) if isinstance(call, ast.Call)]
    own = [call for call in calls if ast.unparse(call.func).startswith("tk.")]
    assert f"tk.{name}" in {ast.unparse(call.func) for call in own}
    for call in own:
        if inspect.isfunction(called := getattr(tk, call.func.attr)):
            names = {word.arg: None for word in call.keywords}
            inspect.signature(called).bind(*call.args, **names)
