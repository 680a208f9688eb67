#!/usr/bin/env bash
# The candidates of the merge search and the guards of docs/training.md: MultiTaskGuards and TaskGuards that go on from
# the shipped `uniguard`. About 75 minutes on one thread; what is finished is not run again.
set -euo pipefail
export PATH="$PWD/${VENV:-.venv}/bin:$PATH"
data=${UNIGURD_DATA:-../shared/data}
threads=${THREADS:-2}
for name in ${NAMES:-mtg-a mtg-b tg-injection tg-toxicity tg-safety tg-money}; do
  out=runs/candidates/$name
  [ -f "$out/result.json" ] ||
    unigurd-train gip "trainer/recipes/candidates/$name.toml" --from uniguard --data "$data" --out "$out" --threads "$threads"
done
