"""How well the offline generator's labels agree with written ones, on policies that it has never met.

    python benchmarks/offline_sdg.py --data DATA [--policies 8] [--rows 200] [--json out.json]

The policies are held out as unseen: neither the packaged material nor the training of the bundled guard has them, and
they are taken out again here. Rows are generated for each as for any new policy, a logistic regression on sentence
embeddings learns from them, and is measured on the policy's own rows, which were written and re-read for it. Beside it
stand the bundled guard, which reads the policy and has seen no row, and the nearest behaviour by embedding: where the
small classifier reaches neither, the generated rows say less than the policy's text does. `both` is the sum of the
standardised scores of classifier and guard: where it is above both, the rows hold something that the guard lacks.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from timing import report
from unigurd_sdk.policy import Policy
from unigurd_trainer.dedup.extra import load
from unigurd_trainer.errors import TrainerError
from unigurd_trainer.metrics import auc
from unigurd_trainer.readers import read_conditioned, read_policies
from unigurd_trainer.rows import ConditionedRow
from unigurd_trainer.sdg.embedding import EmbedderName, find_embedder
from unigurd_trainer.sdg.hooks import Request
from unigurd_trainer.sdg.matching import cache_folder
from unigurd_trainer.sdg.offline import FLOORS, OfflineGenerator, OfflineOptions
from unigurd_trainer.sdg.packaged import bundled
from unigurd_trainer.sdg.referee import GuardReferee
from unigurd_trainer.sdg.samples import Sample
from unigurd_trainer.sdg.targets import targets_of

LEAST_ROWS = 10


class Remembering:
    """An embedder that embeds each text once."""

    def __init__(self, name: EmbedderName) -> None:
        self._embedder, self._known = find_embedder(name, threads=1), dict[str, NDArray[np.float32]]()

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed N texts: [N, D]."""
        fresh = [*dict.fromkeys(text for text in texts if text not in self._known)]
        self._known.update(zip(fresh, self._embedder.embed(fresh), strict=True) if fresh else ())
        return np.stack([self._known[text] for text in texts]) if texts else np.zeros((0, 1), np.float32)


def main() -> None:
    """Measure the AUC on the written rows of unseen policies."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the data folder")
    parser.add_argument("--policies", type=int, default=8, help="unseen policies, spread over their names")
    parser.add_argument("--rows", type=int, default=200, help="rows to generate for each")
    parser.add_argument("--floor", type=float, nargs="+", help="by default that of the embedder")
    parser.add_argument("--referee", type=float, nargs="+", default=[OfflineOptions().referee])
    parser.add_argument("--agreement", type=float, nargs="+", default=[OfflineOptions().agreement])
    parser.add_argument("--embedder", choices=get_args(EmbedderName), default=OfflineOptions().embedder)
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    args = parser.parse_args()
    cases = [
        OfflineOptions(floor=floor, referee=referee, agreement=agreement, augment=0)
        for floor, referee, agreement in product(args.floor or [FLOORS[args.embedder]], args.referee, args.agreement)
    ]
    rows = [*measure(args.data, args.policies, args.rows, cases, args.embedder)]
    rows += [_mean(rows, case) for case in cases]
    report("AUC on the written rows of unseen policies", rows, args.json)


def measure(
    data: Path, count: int, rows: int, cases: Sequence[OfflineOptions], name_of_embedder: EmbedderName
) -> Iterator[dict[str, Any]]:
    """Yield one row for each policy and setting."""
    embedder, referee = Remembering(name_of_embedder), GuardReferee(threads=1)
    written = _unseen(data)
    material = bundled().without(written)
    generator = OfflineGenerator(material, embedder, referee, cache_folder())
    policies = read_policies(data)
    for name in sorted(written)[:: max(1, len(written) // count)][:count]:
        policy, real = policies[name], written[name]
        labels = np.array([row.label for row in real])
        judged = referee.scores([row.text for row in real], policy)
        for case in cases:
            line = {"policy": name, **_setting(case), "written": len(real)}
            try:
                samples = [*generator.generate(Request(policy, rows, options=case))]
                scores = _learn(samples, [row.text for row in real], embedder)
                learnt, both = auc(labels, scores), auc(labels, _standard(scores) + _standard(judged))
                nearest = auc(labels, _nearest(policy, [row.text for row in real], embedder))
            except TrainerError:
                samples, learnt, both, nearest = [], float("nan"), float("nan"), float("nan")
            yield line | {
                "generated": len(samples), "covered": _covered(generator),
                "learnt": learnt, "guard": auc(labels, judged.astype(np.float64)), "nearest": nearest, "both": both,
            }  # fmt: skip


def _setting(case: OfflineOptions) -> dict[str, Any]:
    return {name: getattr(case, name) for name in ("floor", "referee", "agreement")}


def _unseen(data: Path) -> dict[str, list[ConditionedRow]]:
    """Return the rows of the unseen policies that have both labels and enough rows."""
    rows: defaultdict[str, list[ConditionedRow]] = defaultdict(list)
    for row in read_conditioned(data):
        if row.policy_split == "unseen" and row.role == "user":
            rows[row.policy].append(row)
    return {
        name: found for name, found in rows.items() if len(found) >= LEAST_ROWS and len({r.label for r in found}) == 2
    }


def _learn(samples: Sequence[Sample], texts: Sequence[str], embedder: Remembering) -> NDArray[np.float64]:
    model = load("sklearn.linear_model", purpose="This benchmark").LogisticRegression(C=10, max_iter=300)
    model.fit(embedder.embed([sample.text for sample in samples]), [sample.label for sample in samples])
    scores: NDArray[np.float64] = model.decision_function(embedder.embed(texts))
    return scores


def _standard(scores: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray((scores - scores.mean()) / (scores.std() or 1.0), dtype=np.float64)


def _nearest(policy: Policy, texts: Sequence[str], embedder: Remembering) -> NDArray[np.float64]:
    """Score by the nearest disallowed behaviour less the nearest allowed one; a side without any counts as 0."""
    lines = targets_of(policy).lines
    cosines = embedder.embed(texts) @ embedder.embed([target.line for target in lines]).T
    labels = np.array([target.label for target in lines])
    sides = [cosines[:, labels == label].max(axis=1, initial=0.0) for label in (0, 1)]
    return np.asarray(sides[1] - sides[0], dtype=np.float64)


def _covered(generator: OfflineGenerator) -> str:
    coverage = generator.statistics.coverage
    return f"{sum(row.covered for row in coverage)}/{len(coverage)}"


def _mean(rows: Sequence[dict[str, Any]], case: OfflineOptions) -> dict[str, Any]:
    own = [row for row in rows if _setting(case).items() <= row.items()]
    made = [row for row in own if not np.isnan(row["learnt"])]
    means = {key: float(np.mean([row[key] for row in made])) for key in ("learnt", "guard", "nearest", "both")}
    return {
        "policy": f"mean of {len(made)} of {len(own)}", **_setting(case),
        "written": sum(row["written"] for row in made), "generated": sum(row["generated"] for row in made),
        "covered": "",
    } | means  # fmt: skip


if __name__ == "__main__":
    main()
