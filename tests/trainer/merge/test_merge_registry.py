"""Merge methods of plugins: registered as the built-in ones are, used by name, and held to the contract."""

from typing import ClassVar

import pytest

torch = pytest.importorskip("torch")

from unigurd_sdk.errors import PluginError  # noqa: E402
from unigurd_trainer.errors import RecipeError  # noqa: E402
from unigurd_trainer.hooks import hookimpl  # noqa: E402
from unigurd_trainer.merge.ingredients import Ingredients  # noqa: E402
from unigurd_trainer.merge.merger import Merger  # noqa: E402
from unigurd_trainer.merge.method import MergeMethod, configured  # noqa: E402
from unigurd_trainer.merge.registry import BuiltinMethods, find_method, load_methods  # noqa: E402
from unigurd_trainer.sdg.registry import load_generators  # noqa: E402


class Largest(MergeMethod):
    """A third party's method: the value of the largest magnitude, times a factor."""

    name: ClassVar[str] = "largest"

    factor: float = 1.0

    def combine(self, site, prepared, weights):
        for parts in site.values():
            stacked = torch.stack(list(parts))
            yield stacked.gather(0, stacked.abs().argmax(0, keepdim=True))[0] * self.factor


class Plugin:
    """A plugin with whatever methods it is given."""

    def __init__(self, *provided):
        self._provided = provided

    @hookimpl
    def provide_merge_methods(self):
        return list(self._provided)


def test_the_built_in_ones_come_as_a_plugin_does():
    known = load_methods([BuiltinMethods(), Plugin(Largest)])
    assert sorted(known) == ["average", "dare", "largest", "slerp", "task_arithmetic", "ties"]


def test_a_method_of_a_plugin_merges():
    method = configured(find_method("largest", load_methods([Plugin(Largest)])), factor=2.0)
    models = [{"a": torch.tensor([1.0, -3.0])}, {"a": torch.tensor([-2.0, 0.5])}]
    assert Merger(Ingredients.of(models), method).merge([1, 1])["a"].tolist() == [-4.0, -6.0]


def test_a_method_that_yields_too_little_is_an_error():
    class Short(Largest):
        name: ClassVar[str] = "short"

        def combine(self, site, prepared, weights):
            return iter(())

    with pytest.raises(ValueError, match="shorter"):
        Merger(Ingredients.of([{"a": torch.zeros(2)}]), Short()).merge([1])["a"]


def test_names_that_are_taken_and_what_is_no_method_are_refused():
    with pytest.raises(PluginError, match="'largest' is taken by Plugin"):
        load_methods([Plugin(Largest), Plugin(Largest)])
    for thing in (Largest(), MergeMethod, object):
        with pytest.raises(PluginError, match="no subclass of MergeMethod with `name` and `combine`"):
            load_methods([Plugin(thing)])


def test_one_plugin_may_provide_to_several_hooks():
    class Both(Plugin):
        @hookimpl
        def provide_generators(self):
            return []

    plugin = Both(Largest)
    assert load_generators([plugin]) == {}
    assert list(load_methods([plugin])) == ["largest"]


def test_an_unknown_name_suggests_a_near_one():
    with pytest.raises(RecipeError, match="No merge method is named 'tie'. Did you mean 'ties'"):
        find_method("tie")
