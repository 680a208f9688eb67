#!/usr/bin/env bash
# Makes what ships out of the candidates in trainer/candidates: `uniguard`, the average of two runs of the third generation
# (trainer/runs/third.sh), and `multitaskguard`, the best MultiTaskGuard of the second. SEARCH=1 repeats the search behind the
# merge that the third generation goes on from. `export` counts what earlier runs saw once for each candidate, or not at all;
# examples_seen and trained_seconds in the shipped guard.json count it once.
set -euo pipefail
export PATH="$PWD/${VENV:-.venv}/bin:$PATH"
data=${UNIGURD_DATA:-../shared/data}
threads=${THREADS:-2}
trainer/runs/unpack.sh
[ "${SEARCH:-0}" = 0 ] ||
  unigurd-train merge-search trainer/recipes/search/uniguard.toml --data "$data" --out runs/search-uniguard --threads "$threads"
[ -d runs/data ] || python trainer/runs/more_data.py --data "$data" --out runs/data
[ -d runs/data-second ] || python trainer/runs/more_data.py --data "$data" --skip packages --out runs/data-second
ship() { # run, name, data that trained it, results of the calibration, how it reads long texts
  local folder=unigurd_sdk/models/$2
  unigurd-train export "runs/second/$1" --out "$folder" --name "$2" --data "$3"
  unigurd-train calibrate "$folder" --data "$data" --most-fpr 0.1 --policy-fpr hate=0.2 --threads "$threads" > "$4"
  unigurd-train windows "$folder" --length 272 "${@:5}"
  unigurd-train evaluate "$folder" --data "$data" --threads "$threads" --out "docs/results/$2.json"
  unigurd-train card "$folder" --results "docs/results/$2.json"
}
ship mixed uniguard runs/data docs/results/calibration.json --close-length 0 --slope 0.25
ship mtg-2 multitaskguard runs/data-second docs/results/calibration-multitaskguard.json
python docs/generate.py
