"""A guard that was loaded before a fork works in the child."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

PROGRAM = """
import os, sys, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)
from unigurd_sdk import Guard, Policy
from unigurd_sdk import engine

BOMB = Policy(name="p", description="x", disallowed=("bomb",))
guard = Guard.from_pretrained({folder!r}, threads=2)
{before}
children = []
for _ in range(2):
    child = os.fork()
    if child == 0:
        unsafe = guard.check("a bomb", BOMB).unsafe and list(guard.stream(["a cake"], BOMB)) == ["a cake"]
        os._exit(0 if unsafe else 1)
    children.append(child)
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
{after}
print(codes, guard.check("a bomb", BOMB).unsafe)
"""
BUSY = """
loading, go_on = threading.Event(), threading.Event()
create, parent = engine.create, os.getpid()

def slow(*args):
    if os.getpid() == parent:
        loading.set()
        go_on.wait(60)
    return create(*args)

engine.create = slow
thread = threading.Thread(target=guard.check, args=("cake", BOMB))
thread.start()
loading.wait(60)
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [("", ""), ("guard.check('a cake', BOMB)", ""), (BUSY, "go_on.set(); thread.join()")],
    ids=["not loaded", "loaded", "while another thread loads it"],
)
def test_a_guard_works_in_forked_processes_and_goes_on_in_their_parent(keyword_checkpoint, before, after):
    code = PROGRAM.format(folder=str(keyword_checkpoint), before=before, after=after)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "[0, 0] True\n"), done.stderr


TORCH = """
import os
from unigurd_sdk import Guard
guard = Guard.from_pretrained({folder!r}, runtime="torch", on_error="block")
assert guard.check("lamp", "tax").error is None
child = os.fork()
if child == 0:
    verdict = guard.check("lamp", "tax")
    os._exit(0 if verdict.unsafe and "load the guard after the fork" in verdict.error else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.slow
def test_torch_says_that_it_cannot_go_on_after_a_fork(tiny_checkpoint):
    code = TORCH.format(folder=str(tiny_checkpoint))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=90)
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr
