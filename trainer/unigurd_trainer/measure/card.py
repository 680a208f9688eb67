"""The model card of a checkpoint, written from its manifest and from the results that `evaluate` measured on it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unigurd_sdk.checkpoint import Checkpoint
from unigurd_sdk.manifest import Manifest
from unigurd_trainer.errors import DataError
from unigurd_trainer.licences import named_source

INTERIM = "**Interim checkpoint.** Expect better ones under the same name."

USE = """```python
from unigurd_sdk import Guard

guard = Guard.from_pretrained("{name}")
print(guard.check("How much of my car can I deduct this year?", policy="tax"))
```
"""

LIMITS = """- English. Other languages are read, but were hardly trained: see the multilingual rows.
- Emoji and rare scripts that the vocabulary lacks are read as unknown tokens.
- Policies about form (capital letters, word counts, numbers) are beyond it: it reads meaning.
- A score is calibrated on the calibration half of the validation data, not on your traffic.
"""


def write_card(folder: Path, results: Path) -> Path:
    """Write `folder`/README.md; results of another checkpoint, or unreadable ones, raise `DataError`."""
    checkpoint = Checkpoint.open(folder)
    table = results.with_suffix(".md")
    try:
        measured = json.loads(results.read_text(encoding="utf-8"))
        rows = table.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise DataError(f"not results of `unigurd-train evaluate` ({error})", file=results) from error
    if measured.get("checkpoint_id") != checkpoint.id:
        raise DataError(f"these results are not of {folder}; evaluate it again", file=results)
    path = folder / "README.md"
    path.write_text(card(checkpoint.manifest, rows, measured), encoding="utf-8")
    return path


def card(manifest: Manifest, table: str, measured: Mapping[str, Any]) -> str:
    """Render the card."""
    parts = [
        f"# {manifest.name}\n",
        "A guard: reads a policy in plain language and a text, answers with the probability of a violation.\n",
        INTERIM if manifest.interim else "",
        USE.format(name=manifest.name),
        "## Results\n",
        "On rows that neither training nor calibration saw (calibration took the other half of `pool-dev` and "
        f"`sdg-dev`); data {measured['data_hash'] or 'as named'}. A dash is what a set with one class cannot show.\n",
        table,
        "## Limits\n",
        LIMITS,
        "## Training\n",
        training(manifest),
        "## Sources\n",
        "".join(f"- {named_source(source)}\n" for source in manifest.sources),
    ]
    return "\n".join(part for part in parts if part)


def training(manifest: Manifest) -> str:
    """Say what was trained on what, for how long."""
    facts = {
        "base encoder": f"{manifest.base_model} ({manifest.base_licence})",
        "interaction": f"{manifest.interaction}, template {manifest.template_version}",
        "examples seen": f"{manifest.examples_seen:,}",
        "training time": f"{manifest.trained_seconds / 3600:.2f} hours",
        "recipe": manifest.recipe_hash,
        "data": manifest.data_hash,
        "seed": str(manifest.seed),
        "licence": manifest.licence,
    }
    return "".join(f"- {key}: {value}\n" for key, value in facts.items())
