#!/usr/bin/env bash
# Makes what ships out of the candidates in trainer/candidates: `uniguard`, the merge that trainer/recipes/search/uniguard.toml
# found, and `multitaskguard`, the best MultiTaskGuard. `merge apply` refuses a candidate or an outcome of another sha256.
# SEARCH=1 searches again. `export` counts the examples of the first generation once for each candidate; examples_seen and
# trained_seconds in the shipped guard.json count them once.
set -euo pipefail
export PATH="$PWD/${VENV:-.venv}/bin:$PATH"
data=${UNIGURD_DATA:-../shared/data}
threads=${THREADS:-2}
trainer/runs/unpack.sh
[ "${SEARCH:-0}" = 0 ] ||
  unigurd-train merge-search trainer/recipes/search/uniguard.toml --data "$data" --out runs/search-uniguard --threads "$threads"
unigurd-train merge apply trainer/recipes/merge/uniguard.toml --out runs/second/merged
[ -d runs/data-second ] || python trainer/runs/more_data.py --data "$data" --skip packages --out runs/data-second
ship() { # run, name, results of the calibration
  local folder=unigurd_sdk/models/$2
  unigurd-train export "runs/second/$1" --out "$folder" --name "$2" --data runs/data-second
  unigurd-train calibrate "$folder" --data "$data" --most-fpr 0.1 --policy-fpr hate=0.2 --threads "$threads" > "$3"
  unigurd-train windows "$folder" --length 272
  unigurd-train evaluate "$folder" --data "$data" --threads "$threads" --out "docs/results/$2.json"
  unigurd-train card "$folder" --results "docs/results/$2.json"
}
ship merged uniguard docs/results/calibration.json
ship mtg-2 multitaskguard docs/results/calibration-multitaskguard.json
python docs/generate.py
