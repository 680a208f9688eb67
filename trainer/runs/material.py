"""Make the material that ships with the package, from the data folder.

    python trainer/runs/material.py --data DATA [--out FOLDER]

The material has the layout of the data folder, so the same readers read it. Only what may train is taken: nothing of
`dev`, no test split, no policy that is held out as unseen, no intent or text that the holdout keeps for measuring,
and only public sources whose licence is confirmed (`PACKAGED`). Every row carries its source and licence. The choice is
a function of the data alone: the same data give the same bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from argparse import ArgumentParser
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from unigurd_sdk.policy import Policy
from unigurd_trainer.corpus import Corpus
from unigurd_trainer.licences import Source, sources
from unigurd_trainer.mixture import trainable_intents, trainable_pool, trainable_rows
from unigurd_trainer.rows import Behaviour, ConditionedRow, IntentRow, PoolRow

OUT = Path(__file__).resolve().parents[1] / "unigurd_trainer" / "sdg" / "material"
WRITTEN = sources()["sdg/safety"]  # what is known of any file of `sdg`
OWN = WRITTEN.licence
CHOSEN = (
    "aart", "ailuminate_demo", "banking77", "catqa", "chat/hhonline", "chat/prism", "civil_toxic_spans", "clinc150",
    "deepset_prompt_injections", "gpteacher", "hackaprompt_sample", "harmfulqa", "hatemoji_build", "hwu64",
    "issuebench", "jackhhao_jailbreak_full", "jailbreakbench_artifacts", "nlupp", "oasst_eval_prompts",
    "self_instruct", "slurp", "snips", "toxigen_agreed", "ultrachat_prompts", "verazuo_jailbreak_2023_12_25",
)  # fmt: skip
PACKAGED: Mapping[str, Source] = {name: sources()[name] for name in CHOSEN if sources()[name].licence}
"""Public sources that are packaged (chat by its category): those whose licence could be confirmed."""

INTENT_TEXTS, POOL_TEXTS, CHAT_TEXTS = 100, 2400, 6000
LONGEST = 500


def main() -> None:
    """Choose the material and write it."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the data folder")
    parser.add_argument("--out", type=Path, default=OUT, help="the folder to write")
    args = parser.parse_args()
    counts = write(Corpus.read(args.data), args.out)
    print(json.dumps(counts, indent=1))  # noqa: T201


def write(corpus: Corpus, out: Path) -> dict[str, int]:
    """Write all files; returns the number of rows by source, and the bytes."""
    for old in (path for path in out.rglob("*") if path.is_file()):
        old.unlink()
    rows = trainable_rows(corpus.conditioned, corpus.holdout)
    seen = [policy for name, policy in sorted(corpus.policies.items()) if name not in corpus.holdout.policies]
    cells = [cell for cell in corpus.behaviours if cell.key in corpus.holdout.train_cells]
    files: dict[str, list[dict[str, Any]]] = {
        "gip/behaviours.jsonl": [_behaviour(cell) for cell in cells],
        "intents/intents.jsonl.gz": [*_intents(trainable_intents(corpus.intents, corpus.holdout), cells)],
        "policies/policies.jsonl": [_policy(policy) for policy in seen],
        "pool/pool.jsonl.gz": [*_pool(trainable_pool(corpus.pool, corpus.holdout))],
        **_conditioned(rows, {policy.name for policy in seen}),
    }
    for name, records in files.items():
        _write(out / name, records)
    skeletons = {"skeletons": [_skeleton(skeleton) for skeleton in corpus.skeletons]}
    (out / "gip" / "skeletons.json").write_text(json.dumps(skeletons, indent=1), encoding="utf-8")
    counts = Counter(record["source"] for records in files.values() for record in records if "text" in record)
    (out / "NOTICE.md").write_text(_notice(counts), encoding="utf-8")
    return dict(sorted(counts.items())) | {"bytes": sum(path.stat().st_size for path in out.rglob("*.*"))}


def _behaviour(cell: Behaviour) -> dict[str, Any]:
    return {
        **cell.key._asdict(), "behaviours": cell.phrasings, "groups": sorted(cell.groups), "topic": cell.topic,
        "usable": cell.usable, "negative_ok": cell.negative_ok, "licence": OWN,
    }  # fmt: skip


def _policy(policy: Policy) -> dict[str, Any]:
    return policy.model_dump(mode="json", exclude_defaults=True)


def _skeleton(skeleton: Any) -> dict[str, Any]:  # noqa: ANN401
    names = ("id", "kind", "text", "join", "forms", "min_items", "max_items", "unlisted")
    return {name: getattr(skeleton, name) for name in names}


def _intents(rows: Iterable[IntentRow], cells: Iterable[Behaviour]) -> Iterator[dict[str, Any]]:
    keys = {cell.key for cell in cells}
    by_cell = defaultdict(list)
    for row in rows:
        if row.key in keys and row.source in PACKAGED and len(row.text) <= LONGEST:
            by_cell[row.key].append(row)
    for key in sorted(by_cell):
        for row in sorted(by_cell[key], key=lambda row: _order(row.text))[:INTENT_TEXTS]:
            licence = PACKAGED[row.source].licence
            yield {"text": row.text, **key._asdict(), "split": "train", "lang": row.lang, "licence": licence}


def _pool(rows: Iterable[PoolRow]) -> Iterator[dict[str, Any]]:
    """Yield, for each policy and label, up to the same number of texts of every source that is small or large."""
    by_source: defaultdict[tuple[str, int], defaultdict[str, list[PoolRow]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        source = row.category if row.label is None else row.source
        if source in PACKAGED and len(row.text) <= LONGEST and row.lang == "en":
            by_source[row.policy, -1 if row.label is None else row.label][source].append(row)
    for (policy, label), texts in sorted(by_source.items()):
        share = (POOL_TEXTS if policy else CHAT_TEXTS) // len(texts)
        for source, found in sorted(texts.items()):
            for row in sorted(found, key=lambda row: _order(row.text))[:share]:
                yield {
                    "text": row.text, "label": ("safe", "unsafe", "")[label], "policy": policy,
                    "category": row.category, "source": source, "split": "train", "lang": row.lang,
                    "licence": PACKAGED[source].licence,
                }  # fmt: skip


def _conditioned(rows: Iterable[ConditionedRow], known: set[str]) -> dict[str, list[dict[str, Any]]]:
    """Return file -> records; a row's file is its source."""
    files: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row.policy in known and len(row.text) <= 3 * LONGEST:
            record = {
                "policy": row.policy, "text": row.text, "label": ("safe", "unsafe")[row.label], "kind": row.kind,
                "group": row.group.partition(":")[2], "split": row.split, "policy_split": row.policy_split,
                "role": row.role, "prompt": row.prompt, "lang": row.lang, "source": row.source, "licence": OWN,
            }  # fmt: skip
            files[f"{row.source}.jsonl.gz"].append({key: value for key, value in record.items() if value is not None})
    return files


def _write(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()
    path.write_bytes(gzip.compress(text, 9, mtime=0) if path.suffix == ".gz" else text)


def _order(text: str) -> str:
    return hashlib.sha256(f"material:{text}".encode("utf-8", "surrogatepass")).hexdigest()


NOTICE = f"""# Material of the offline generator

Made by `trainer/runs/material.py`. Rows of `policies/` and `sdg/`, the wordings of behaviours and the skeletons belong
to this project ({OWN}); they were written with a large language model. Every other row is a text of the public data set
that it names, chosen and unchanged, under that data set's licence, which was read in its own repository or on its own
page. The texts of MIT, Apache-2.0 and CDLA-Permissive-2.0 are in `../licence_texts`; those of the Creative Commons
licences are at https://creativecommons.org/licenses/by/4.0/legalcode, https://creativecommons.org/licenses/by/3.0/legalcode
and https://creativecommons.org/publicdomain/zero/1.0/legalcode.

| source | rows | licence | name | attribution |
| --- | ---: | --- | --- | --- |
"""


def _notice(counts: Mapping[str, int]) -> str:
    return NOTICE + "".join(_row(name, count, PACKAGED.get(name, WRITTEN)) for name, count in sorted(counts.items()))


def _row(name: str, count: int, source: Source) -> str:
    title = f"[{source.title}]({source.url})" if source.url else source.title
    note = f"; {source.note}" if source.note else ""
    return f"| {name} | {count} | {source.licence} | {title} | {source.by}{note} |\n"


if __name__ == "__main__":
    main()
