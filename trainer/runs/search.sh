#!/usr/bin/env bash
# The merge searches of docs/search.md: each sampler with each method, equal budgets, three seeds, on the candidates that
# trainer/runs/candidates.sh trained. A full trial takes about 11 s of one thread; what is finished is not run again, and
# what was killed goes on.
set -euo pipefail
export PATH="$PWD/${VENV:-.venv}/bin:$PATH"
data=${UNIGURD_DATA:-../shared/data}
for seed in ${SEEDS:-1 2 3}; do
  for method in ${METHODS:-average slerp ties dare}; do
    for sampler in ${SAMPLERS:-random thompson epsilon-greedy ucb}; do
      out=runs/search/$method-$sampler-$seed
      [ -f "$out/result.json" ] ||
        unigurd-train merge-search trainer/recipes/search/uniguard.toml --data "$data" --out "$out" --threads "${THREADS:-1}" \
          --method "$method" --sampler "$sampler" --seed "$seed" --trials "${TRIALS:-50}"
    done
  done
done
unigurd-train search-tables runs/search/* --out docs/results/search
unigurd-train plot runs/search/* --out docs/results/search-plots
