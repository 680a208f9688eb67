#!/usr/bin/env bash
# Trains, exports, calibrates and measures the shipped `uniguard`. Interrupted training resumes where it stopped.
set -euo pipefail
data=${UNIGURD_DATA:-../shared/data}
export PATH="$PWD/${VENV:-.venv}/bin:$PATH"
run=runs/uniguard
folder=unigurd_sdk/models/uniguard
unigurd-train gip trainer/recipes/uniguard.toml --data "$data" --out "$run" --threads 2
unigurd-train export "$run" --out "$folder" --precision int8-weights --last --data "$data"
unigurd-train calibrate "$folder" --data "$data" --most-fpr 0.1
unigurd-train evaluate "$folder" --data "$data" --out docs/results/uniguard.json
unigurd-train card "$folder" --results docs/results/uniguard.json
python docs/generate.py
