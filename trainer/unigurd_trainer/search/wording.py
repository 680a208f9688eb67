"""Instructions as a dimension of the search (paper, A.5.1; SPEC 7.6): in which words a policy is given to the guard."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from unigurd_sdk.policy import Policy
from unigurd_sdk.registry import PolicyRegistry
from unigurd_trainer.errors import RecipeError
from unigurd_trainer.search.recipe import DESCRIPTION, WRITTEN

__all__ = ["require_wordings", "worded"]


def worded(policy: Policy, instruction: str) -> Policy:
    """Give a policy other words.

    ``written`` leaves it as it is, ``description`` keeps only the description. Anything else is a policy (a name, a
    sentence, a file) in whose words this one is judged.
    """
    if instruction == WRITTEN:
        return policy
    if instruction == DESCRIPTION:
        return policy.model_copy(update={"allowed": (), "disallowed": (), "examples": ()})
    return PolicyRegistry().resolve(instruction).model_copy(update={"name": policy.name})


def require_wordings(instructions: Sequence[str], policies: Iterable[Policy]) -> None:
    """Raise `RecipeError` where words for one policy would judge rows of several."""
    others = [each for each in instructions if each not in (WRITTEN, DESCRIPTION)]
    names = sorted({policy.name for policy in policies})
    if others and len(names) > 1:
        raise RecipeError(
            f"The instruction {others[0]!r} words one policy, and the rows are of {len(names)}; "
            "name one in rows.policies."
        )
