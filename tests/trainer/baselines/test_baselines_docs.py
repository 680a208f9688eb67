"""The transcript of the docs: its commands, run against a local server, say what the page says."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from unigurd_trainer.cli import main

PAGE = Path(__file__).resolve().parents[3] / "docs" / "baselines.md"


def answer(fake, call):
    if "input" in call.body:
        found = "vermin" in call.body["input"]
        scores = {"categories": {"hate": found}, "category_scores": {"hate": 0.9 if found else 0.1}}
        return fake.Reply(body={"results": [{"flagged": found, **scores}]})
    text = call.body["messages"][1]["content"]
    verdict = "Unsafe" if "vermin" in text else "I cannot discuss taxes." if "deduct" in text else "Safe"
    return fake.chat(verdict)


def test_the_transcript_is_what_happens(llm, fake, tmp_path, monkeypatch, capsys):
    page = PAGE.read_text(encoding="utf-8")
    (rows,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    (shown,) = re.findall(r"<!-- transcript[^\n]*\n```console\n(.*?)```", page, re.DOTALL)
    (tmp_path / "rows.jsonl").write_text(rows, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    llm.answer = lambda call: answer(fake, call)
    said = ""
    for command in re.findall(r"^\$ (.*)$", shown, re.MULTILINE):
        at_server = command.replace("http://localhost:8000/v1", llm.url)
        monkeypatch.setattr(sys, "argv", shlex.split(at_server))
        with pytest.raises(SystemExit):
            main()
        said += f"$ {command}\n{capsys.readouterr().err}\n"
    assert [line for line in said.splitlines() if line] == shown.splitlines()  # a progress bar leaves an empty line
