#!/usr/bin/env bash
# The candidates of the first merge search: MultiTaskGuards and TaskGuards that go on from the shipped `uniguard`. Then, for
# measuring only, a MultiTaskGuard on rows that `uniguard` has not seen (docs/training.md). About 75 minutes on one
# thread; what is finished is not run again.
set -euo pipefail
export PATH="$PWD/${VENV:-.venv}/bin:$PATH"
data=${UNIGURD_DATA:-../shared/data}
first=trainer/candidates/uniguard-1 # what shipped as `uniguard` then
threads=${THREADS:-2}
for name in ${NAMES:-mtg-a mtg-b tg-injection tg-toxicity tg-safety tg-money}; do
  out=runs/candidates/$name
  [ -f "$out/result.json" ] ||
    unigurd-train gip "trainer/recipes/candidates/$name.toml" --from "$first" --data "$data" --out "$out" --threads "$threads"
done

fresh=runs/candidates/mtg-fresh
[ -d runs/fresh ] || python trainer/runs/fresh_data.py --data "$data" --out runs/fresh
[ -f "$fresh/result.json" ] ||
  unigurd-train gip trainer/recipes/candidates/mtg-fresh.toml --from "$first" --data runs/fresh --out "$fresh" --threads "$threads"
[ -d runs/eval/mtg-fresh ] || unigurd-train export "$fresh" --out runs/eval/mtg-fresh --data "$data" --name multitaskguard
[ -d runs/eval/mtg-half ] || unigurd-train merge apply trainer/recipes/merge/mtg-fresh.toml --out runs/eval/mtg-half
for name in mtg-fresh mtg-half; do
  unigurd-train evaluate "runs/eval/$name" --data "$data" --set sdg-dev --set sdg-unseen --set pool-dev \
    --set gip-unseen-domain --threshold fixed=0.5 --against "$first" --out "docs/results/$name.json" --threads "$threads"
done

# What more training on known rows does to new policies.
if [ ! -d runs/eval/mtg-a ]; then
  unigurd-train export runs/candidates/mtg-a --out runs/eval/mtg-a --data "$data" --name multitaskguard
  unigurd-train calibrate runs/eval/mtg-a --data "$data" --most-fpr 0.1 --policy-fpr hate=0.2 --threads "$threads"
fi
unigurd-train evaluate runs/eval/mtg-a --data "$data" --set sdg-unseen --set gip-unseen-domain --set sdg-dev \
  --against "$first" --out docs/results/mtg-a.json --threads "$threads"
