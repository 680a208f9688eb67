#!/usr/bin/env bash
# The merge searches of docs/search.md: each sampler with each method, equal budgets, three seeds, among the candidates in
# trainer/candidates. What is finished is not run again, and what was killed goes on. The candidates are measured once, by
# the first search. All of it takes about 150 minutes of one CPU core.
set -euo pipefail
export PATH="$PWD/${VENV:-.venv}/bin:$PATH"
export data=${DATA:-${UNIGURD_DATA:-../shared/data}} train=${TRAIN:-unigurd-train}
export recipe=${RECIPE:-trainer/recipes/search/second.toml} out=${OUT_SEARCH:-runs/search}
export threads=${THREADS:-1} device=${DEVICE:-cpu} trials=${TRIALS:-50}
mkdir -p "$out"
trainer/runs/unpack.sh
search() { # method, sampler, seed
  local folder=$out/$1-$2-$3 known=()
  [ "$folder" = "$first" ] || known=(--known "$first")
  [ -f "$folder/result.json" ] ||
    $train merge-search "$recipe" --data "$data" --out "$folder" --threads "$threads" --device "$device" \
      --method "$1" --sampler "$2" --seed "$3" --trials "$trials" "${known[@]}" > "$folder.log" 2>&1 ||
    tail -n 5 "$folder.log"
}
export -f search
export first=$out/average-thompson-1
search average thompson 1
for seed in ${SEEDS:-1 2 3}; do
  for method in ${METHODS:-average slerp ties dare}; do
    for sampler in ${SAMPLERS:-random thompson epsilon-greedy ucb}; do
      echo "$method $sampler $seed"
    done
  done
done | xargs -P "${PARALLEL:-1}" -L 1 bash -c 'search "$@"' _
$train search-tables "$out"/*/ --out docs/results/search
$train plot "$out"/*/ --out docs/results/search-plots
