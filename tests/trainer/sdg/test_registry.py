"""The registry of generators: built-ins are plugins, clashes are refused, near names are suggested."""

from __future__ import annotations

import pytest

from unigurd_sdk.errors import PluginError
from unigurd_trainer.errors import RecipeError
from unigurd_trainer.sdg.hooks import hookimpl
from unigurd_trainer.sdg.registry import BuiltinGenerators, find_generator, load_generators


class Echo:
    """A third party's generator."""

    name = "echo"

    def generate(self, request):
        """Make nothing."""
        return iter(())


class Plugin:
    """A plugin with whatever generators it is given."""

    def __init__(self, *provided):
        self._provided = provided

    @hookimpl
    def provide_generators(self):
        """Return them."""
        return list(self._provided)


def test_the_built_in_ones_come_as_a_plugin_does():
    assert sorted(load_generators([BuiltinGenerators(), Plugin(Echo())])) == ["echo", "llm", "offline"]


def test_a_name_that_is_taken_is_refused_and_both_owners_are_named():
    with pytest.raises(PluginError, match=r"Plugin.*'echo' is taken by Plugin"):
        load_generators([Plugin(Echo()), Plugin(Echo())])


def test_what_is_no_generator_is_refused():
    with pytest.raises(PluginError, match="needs `name` and `generate`"):
        load_generators([Plugin("echo")])


def test_a_hook_of_another_name_is_refused():
    class Wrong:
        @hookimpl
        def provide_generator(self):
            return []

    with pytest.raises(PluginError, match="provide_generator"):
        load_generators([Wrong()])


def test_an_unknown_name_suggests_a_near_one():
    known = load_generators([Plugin(Echo())])
    with pytest.raises(RecipeError, match=r"'ecko'.*Did you mean 'echo'.*There are: echo"):
        find_generator("ecko", known)
    assert find_generator("echo", known).name == "echo"
