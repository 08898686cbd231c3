"""The public names: all there, documented by an example that runs, and free until they are used."""

import doctest
import subprocess
import sys
from importlib import import_module

import pytest

import toymdrl

DATA = {"DOMAINS", "PRESETS"}


@pytest.mark.parametrize("name", toymdrl.__all__)
def test_every_name_has_an_example_that_runs(name: str) -> None:
    thing = getattr(toymdrl, name)
    if name in DATA:
        return
    module = import_module(thing.__module__)
    finder, runner = doctest.DocTestFinder(recurse=False), doctest.DocTestRunner()
    tests = [test for test in finder.find(thing, name, module=module) if test.examples]
    assert tests, f"{name} has no example"
    for test in tests:
        runner.run(test)
    assert runner.failures == 0


def test_names_are_found_where_they_are_said_to_be() -> None:
    assert set(toymdrl.__all__) == set(toymdrl._HOME)
    assert set(toymdrl.__all__) <= set(dir(toymdrl))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = toymdrl.nonsense


def test_importing_the_package_does_not_import_torch() -> None:
    code = "import sys, toymdrl; assert 'torch' not in sys.modules; toymdrl.read; assert 'torch' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
