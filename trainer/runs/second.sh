#!/usr/bin/env bash
# The second generation: MultiTaskGuards and TaskGuards on all data of `trainer/runs/more_data.py`, in parallel on one
# GPU, packed (trainer/runs/packed.py). Seven go on from the first generation, `mtg-new` begins with the base encoder, and
# three go on from that. What is finished is not run again; runs/data-second is what `more_data.py --skip packages` writes.
# NAMES, RECIPES, DATA, DEVICE, WORKERS (for each run) and TRAIN (the command) may be set.
set -euo pipefail
export PATH="$PWD/${VENV:-.venv}/bin:$PATH"
data=${DATA:-runs/data-second}
first=trainer/candidates/uniguard-1
train=${TRAIN:-unigurd-train}
recipes=${RECIPES:-trainer/recipes/second}
names=${NAMES:-mtg-1 mtg-2 mtg-3 mtg-new tg-injection tg-toxicity tg-safety tg-money new-1 new-2 new-3}
run() { # name, then options
  local name=$1 out=runs/second/$1
  mkdir -p "$out"
  [ -f "$out/result.json" ] ||
    { $train gip "$recipes/$name.toml" "${@:2}" --data "$data" --out "$out" --device "${DEVICE:-cuda}" \
        --workers "${WORKERS:-1}" --threads 1 > "$out.log" 2>&1 &&
      python3 trainer/runs/packed.py pack "$out" --out "$out.safetensors" >> "$out.log" 2>&1; } ||
    tail -n 5 "$out.log"
}
for name in $names; do
  case $name in
    mtg-new) run "$name" & ;;
    new-*) ;;
    *) run "$name" --from "$first" & ;;
  esac
done
wait
for name in $names; do
  case $name in new-*) run "$name" --from runs/second/mtg-new & ;; esac
done
wait
