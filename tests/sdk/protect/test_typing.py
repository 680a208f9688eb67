"""What type checkers see: a protected function has the type that it had, and streams know their chunks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
from collections.abc import AsyncIterator, Iterator
from unigurd_sdk import Guard

guard = Guard.from_pretrained("uniguard")
protect = guard.protect(policy=["tax", "finance"], output_policy="safety", on_violation="return", fallback="no")

@protect
def plain(prompt: str, *, times: int = 1) -> list[str]:
    return [prompt] * times

@protect
async def coroutine(prompt: str) -> int:
    return len(prompt)

@protect
def generator(prompt: str) -> Iterator[bytes]:
    yield prompt.encode()

@protect
async def async_generator(prompt: str) -> AsyncIterator[float]:
    yield 1.0

class Bot:
    @guard.protect(policy="tax", on_violation=lambda verdict: verdict.unsafe)
    def ask(self, question: str) -> str:
        return question

    @classmethod
    @guard.protect(policy="tax")
    def make(cls, name: str) -> "Bot":
        return cls()

class Chunk:
    words: str

async def chunks() -> AsyncIterator[Chunk]:
    yield Chunk()

async def main() -> None:
    reveal_type(plain("x", times=2))
    reveal_type(await coroutine("x"))
    reveal_type(generator("x"))
    reveal_type(async_generator("x"))
    reveal_type(Bot().ask("x"))
    reveal_type(Bot.make("x"))
    reveal_type(guard.stream(["a", "b"], policy="tax"))
    reveal_type(guard.stream(chunks(), policy="tax", text=lambda chunk: chunk.words, replacement=Chunk()))
    reveal_type(guard.check_messages([{"role": "user", "content": "x"}], "tax").worst.unsafe)

plain(3)
plain("x", 2)
Bot().ask()
coroutine("x", timeout=1)
guard.stream(["a"], policy="tax", text=lambda chunk: chunk.words)
guard.protect(policy="tax", on_violation="ignore")
guard.protect(policy="tax")(3)
"""
SEEN = [
    "list[str]",
    "int",
    "Iterator[bytes]",
    "AsyncIterator[float]",
    "str",
    "Bot",
    "GuardedStream[str]",
    "AsyncGuardedStream[Chunk]",
    "bool",
]


@pytest.mark.slow
def test_mypy_sees_the_types_that_were_there(tmp_path):
    api = pytest.importorskip("mypy.api")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    out, _, _ = api.run(["--config-file", str(ROOT / "pyproject.toml"), str(program)])
    lines = [line for line in out.splitlines() if "program.py" in line]
    seen = [re.sub(r"[\w.]+\.", "", line.split('"')[1]) for line in lines if "Revealed type" in line]
    assert seen == SEEN, out
    text = PROGRAM.splitlines()
    wrong = sorted({int(line.split(":")[1]) for line in lines if ": error:" in line})
    first = text.index("plain(3)") + 1
    assert wrong == list(range(first, len(text) + 1)), out
