#!/usr/bin/env bash
# Trains and exports the first generation of `uniguard` (trainer/candidates/uniguard-1); trainer/runs/second.sh goes on from
# it, and trainer/runs/ship.sh makes what ships. Interrupted training resumes where it stopped.
# DEVICE=cuda WORKERS=14 for the second stage, which is long on a CPU.
set -euo pipefail
data=${UNIGURD_DATA:-../shared/data}
export PATH="$PWD/${VENV:-.venv}/bin:$PATH"
folder=trainer/candidates/uniguard-1
gip() { # stage, then options
  unigurd-train gip "trainer/recipes/uniguard-$1.toml" --data "$data" --out "runs/uniguard-$1" "${@:2}"
}
gip 1 --threads 2
# What shipped began stage 2 from the int8 weights of stage 1; learning goes over that rounding.
gip 2 --from runs/uniguard-1 --device "${DEVICE:-cpu}" --workers "${WORKERS:-0}"
unigurd-train merge average runs/uniguard-{1,2} --weight .3 --weight .7 --chain --out runs/uniguard-12
gip 3 --from runs/uniguard-12 --threads 2
unigurd-train merge average runs/uniguard-{1,2,3} --weight .35 --weight .45 --weight .2 --chain --out runs/uniguard-123
gip 4 --from runs/uniguard-123 --threads 2
unigurd-train merge average runs/uniguard-{123,4} --chain --out runs/uniguard
unigurd-train export runs/uniguard --out "$folder" --precision int8-weights --data "$data"
unigurd-train calibrate "$folder" --data "$data" --most-fpr 0.1 --policy-fpr hate=0.2
