#!/usr/bin/env bash
# The second generation: MultiTaskGuards and TaskGuards on all data of `trainer/runs/more_data.py`, in parallel on one
# GPU, packed (trainer/runs/packed.py). What is finished is not run again.
# NAMES, RECIPES, DATA, DEVICE, WORKERS (for each run) and TRAIN (the command) may be set.
set -euo pipefail
export PATH="$PWD/${VENV:-.venv}/bin:$PATH"
data=${DATA:-runs/data}
train=${TRAIN:-unigurd-train}
recipes=${RECIPES:-trainer/recipes/second}
names=${NAMES:-mtg-1 mtg-2 mtg-3 mtg-new tg-injection tg-toxicity tg-safety tg-money}
for name in $names; do
  out=runs/second/$name
  mkdir -p "$out"
  [ -f "$out/result.json" ] || {
    start=(--from uniguard)
    [ "$name" != mtg-new ] || start=()
    $train gip "$recipes/$name.toml" "${start[@]}" --data "$data" --out "$out" \
      --device "${DEVICE:-cuda}" --workers "${WORKERS:-1}" --threads 1 > "$out.log" 2>&1 &&
      python3 trainer/runs/packed.py pack "$out" --out "runs/second/$name.safetensors" >> "$out.log" 2>&1 ||
      tail -n 5 "$out.log"
  } &
done
wait
