"""The card of a TaskGuard: its policy, what it was trained on, and what it scores on its held-out texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from unigurd_sdk.checkpoint import Checkpoint
from unigurd_sdk.policy import Policy
from unigurd_trainer.licences import named_source
from unigurd_trainer.measure.card import training

__all__ = ["write_task_card"]

CARD = """# {name}

A TaskGuard: answers with the probability that a text violates one policy. Others it has not been measured on.

```python
from unigurd_sdk import Guard

guard = Guard.from_pretrained("{folder}")
guard.check("...", policy=...)  # {policy}
```

## Policy

{description}

{lines}
## Results

On {dev} held-out texts; they also chose the epoch and the threshold, so expect a little less on yours.

| | AUC | F1 | FPR | threshold |
| --- | ---: | ---: | ---: | ---: |
{rows}
## Training

- texts: {train}
- mode: {mode}, at most {epochs} epochs
- started from: {start}
{training}
## Sources

{sources}"""


def write_task_card(folder: Path, policy: Policy, result: Mapping[str, Any]) -> Path:
    """Write `folder`/README.md of the checkpoint in it; `result` is what `finetune.run` returns."""
    manifest = Checkpoint.open(folder, verify="size").manifest
    text = CARD.format(
        name=manifest.name,
        folder=folder.name,
        policy=policy.name,
        description=policy.description,
        lines=_behaviours("Allowed", policy.allowed) + _behaviours("Disallowed", policy.disallowed),
        rows="".join(_row(when, result[when]) for when in ("before", "after")),
        sources="".join(f"- {named_source(source)}\n" for source in manifest.sources),
        training=training(manifest),
        mode=result["recipe"]["mode"],
        epochs=result["recipe"]["epochs"],
        start=result["started_from"],
        **result["rows"],
    )
    path = folder / "README.md"
    path.write_text(text, encoding="utf-8")
    return path


def _behaviours(side: str, lines: Sequence[str]) -> str:
    return f"{side}:\n\n" + "".join(f"- {line}\n" for line in lines) + "\n" if lines else ""


def _row(when: str, measured: Mapping[str, float]) -> str:
    columns = ("auc", "f1", "fpr", "threshold")
    return f"| {when} | " + " | ".join(f"{measured[column]:.3f}" for column in columns) + " |\n"
