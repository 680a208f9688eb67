#!/usr/bin/env bash
# Goes on from the merged `uniguard` with more kinds of documents (docs/decisions/0012): 45 minutes of one CPU thread. The
# outcome is packed in trainer/candidates and does not ship.
set -euo pipefail
export PATH="$PWD/${VENV:-.venv}/bin:$PATH"
data=${DATA:-${UNIGURD_DATA:-../shared/data}}
out=runs/third/documents
trainer/runs/unpack.sh
[ -d runs/second/merged ] || unigurd-train merge apply trainer/recipes/merge/uniguard.toml --out runs/second/merged
[ -d runs/data ] || python trainer/runs/more_data.py --data "$data" --out runs/data
unigurd-train gip trainer/recipes/third/documents.toml --from runs/second/merged --data runs/data --out "$out" --threads 1
python trainer/runs/packed.py pack "$out" --out trainer/candidates/documents.safetensors
