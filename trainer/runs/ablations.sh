#!/usr/bin/env bash
# The ablations of docs/ablations.md, from scratch. What is finished is not run again, and what was killed goes on.
# About four hours on two threads; SEEDS=1 takes a third of that.
set -euo pipefail
export PATH="$PWD/${VENV:-.venv}/bin:$PATH"
data=${UNIGURD_DATA:-../shared/data}
seeds=${SEEDS:-3}
threads=${THREADS:-2}
gip() { unigurd-train gip "$1" --data "$data" --out "$2" --threads "$threads" "${@:3}"; }

# 1. What each part of the pretraining is worth: one change at a time, equal examples.
for seed in $(seq "$seeds"); do
  for recipe in trainer/recipes/ablation/gip/*.toml; do
    out=runs/ablation/gip/$(basename "$recipe" .toml)-seed$seed
    [ -f "$out/result.json" ] || gip "$recipe" "$out" --seed "$seed"
  done
done
unigurd-train ablate runs runs/ablation/gip --out docs/results/ablation-gip

# 2. TaskGuard and MultiTaskGuard by number of training texts; the MultiTaskGuard has seen nothing of the six policies.
[ -f runs/ablation/mtg/result.json ] || gip trainer/recipes/ablation/mtg.toml runs/ablation/mtg
unigurd-train ablate tasks --data "$data" --out docs/results/ablation-tasks.jsonl --seeds "$seeds" --threads "$threads" \
  --policy finance --policy tax --policy safety --policy prompt-injection --policy legal --policy medical \
  --start TaskGuard=base --start MultiTaskGuard=runs/ablation/mtg --mode head --mode full \
  --size 0 --size 50 --size 100 --size 300 --size 1000 --size 5000

# 3. Fine-tuning from float32 weights and from their int8 export (docs/decisions/0007).
[ -d runs/ablation/mtg-int8 ] || unigurd-train export runs/ablation/mtg --out runs/ablation/mtg-int8 --data "$data"
unigurd-train ablate tasks --data "$data" --out docs/results/ablation-starts.jsonl --seeds 2 --threads "$threads" \
  --policy finance --policy tax --policy prompt-injection --mode full --size 0 --size 100 \
  --start float32=runs/ablation/mtg --start int8=runs/ablation/mtg-int8
unigurd-train ablate curves docs/results/ablation-tasks.jsonl --out docs/results/ablation-tasks
