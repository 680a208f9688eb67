"""Episodes of one policy: balanced or as the data are, every text once an epoch, a function of their number."""

from unigurd_sdk.policy import Policy
from unigurd_trainer.rows import Example
from unigurd_trainer.task_source import TaskSource

POLICY = Policy(name="garden", description="No chemical advice.")


def examples(safe, unsafe):
    labels = [0] * safe + [1] * unsafe
    return [Example(f"text {n}", label, "s", "MIT") for n, label in enumerate(labels)]


def test_episodes_are_balanced_and_show_every_text_once_an_epoch():
    source = TaskSource(POLICY, examples(40, 8), texts=8)
    shown = [each for index in range(source.epoch) for each in source.episode(index).examples]
    assert source.epoch == 10
    assert sum(each.label for each in shown) == len(shown) / 2
    safe = [each.text for each in shown if not each.label]
    assert len(safe) == len(set(safe)) == 40


def test_an_episode_is_a_function_of_its_number():
    one, other = (TaskSource(POLICY, examples(20, 20), texts=8, change=0.5, seed=3) for _ in range(2))
    assert [one.episode(n) for n in (7, 1, 30)] == [other.episode(n) for n in (7, 1, 30)]
    assert one.episode(0) != TaskSource(POLICY, examples(20, 20), texts=8, seed=4).episode(0)


def test_with_natural_balance_every_text_is_shown_once_an_epoch():
    source = TaskSource(POLICY, examples(40, 8), texts=8, balance="natural")
    shown = [each.text for index in range(source.epoch) for each in source.episode(index).examples]
    assert len(shown) == len(set(shown)) == 48
