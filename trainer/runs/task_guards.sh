#!/usr/bin/env bash
# TaskGuards by the user's command, each from the shipped `uniguard` on the rows of one policy, and how they compare with
# it on rows that neither has trained on. About 25 minutes on one thread; what is finished is not run again.
set -euo pipefail
export PATH="$PWD/${VENV:-.venv}/bin:$PATH"
data=${UNIGURD_DATA:-../shared/data}
threads=${THREADS:-2}
for policy in ${POLICIES:-tax finance hate toxicity}; do
  out=runs/tasks/$policy
  python trainer/runs/task_rows.py "$policy" --data "$data" --out "$out-rows.jsonl"
  [ -f "$out/result.json" ] ||
    unigurd-train finetune --policy "$policy" --data "$out-rows.jsonl" --from uniguard --out "$out" --threads "$threads"
  unigurd-train evaluate "$out" --data "$data" --set "sdg-dev" --set "pool-dev/$policy" --against uniguard \
    --out "docs/results/task-$policy.json" --threads "$threads"
done
