#!/usr/bin/env bash
# TaskGuards by the user's command: each goes on from the shipped `uniguard` with some hundred labelled texts of one policy
# that it has not seen, and is compared with it on others that neither has seen. About 20 minutes on one thread; what is
# finished is not run again.
set -euo pipefail
export PATH="$PWD/${VENV:-.venv}/bin:$PATH"
data=${UNIGURD_DATA:-../shared/data}
first=trainer/candidates/uniguard-1 # what shipped as `uniguard` then
threads=${THREADS:-2}
for policy in ${POLICIES:-hate safety toxicity prompt-injection}; do
  out=runs/tasks/$policy
  python trainer/runs/task_rows.py "$policy" --fresh --data "$data" --out "$out-rows.jsonl"
  [ -f "$out/result.json" ] ||
    unigurd-train finetune --policy "$policy" --data "$out-rows.jsonl" --from "$first" --out "$out" --threads "$threads"
  unigurd-train evaluate "$out" --data "$data" --set "pool-dev/$policy" --set "sdg-dev" --against "$first" \
    --out "docs/results/task-$policy.json" --threads "$threads"
done
