#!/usr/bin/env bash
# The interaction study of docs/decisions/0001: each form of interaction for the same time, the fast ones also for as
# few examples as the slow ones see in that time. About 15 minutes on two threads.
set -euo pipefail
export PATH="$PWD/${VENV:-.venv}/bin:$PATH"
data=${UNIGURD_DATA:-../shared/data}
for recipe in trainer/recipes/study/*.toml; do
    unigurd-train gip "$recipe" --data "$data" --out "runs/study/$(basename "$recipe" .toml)" --threads 2
done
python -m unigurd_trainer.study runs/study --data "$data"
