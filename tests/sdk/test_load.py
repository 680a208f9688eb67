"""Under load: many threads get what one would, and memory does not grow with the number of checks."""

from __future__ import annotations

import random
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from unigurd_sdk.guard import Guard
from unigurd_sdk.policy import Policy

BOMB = Policy(name="no-bombs", description="no weapons", disallowed=("bomb",))
CAKE = Policy(name="no-cakes", description="no food", allowed=("recipe",), disallowed=("cake", "gun"))
THREADS, CHECKS, SLACK = 32, 1_000_000, 8 * 2**20


def texts(count: int, longest: int = 60) -> list[str]:
    rng = random.Random(0)
    return [" ".join(rng.choices(("bomb", "cake", "gun", "filler"), k=rng.randint(1, longest))) for _ in range(count)]


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def test_thirty_two_threads_get_what_one_gets(keyword_checkpoint):
    asked = texts(64)
    with Guard.from_pretrained(keyword_checkpoint, threads=1) as guard:

        def check(text: str) -> list[tuple[str, float]]:
            return [(verdict.policy, verdict.score) for verdict in guard.check(text, policies=[BOMB, CAKE]).verdicts]

        alone = [check(text) for text in asked]
        with ThreadPoolExecutor(THREADS) as pool:
            together = list(pool.map(check, asked * 4))
    assert together == alone * 4


@pytest.mark.fuzz
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_does_not_grow_with_the_number_of_checks(keyword_checkpoint):
    asked = texts(500, longest=5)
    with Guard.from_pretrained(keyword_checkpoint, threads=1, cache_results=100) as guard:
        for _ in range(20):
            guard.check_batch(asked, BOMB)
        before = resident()
        for _ in range(CHECKS // len(asked)):
            guard.check_batch(asked, BOMB)
        assert resident() - before < SLACK
