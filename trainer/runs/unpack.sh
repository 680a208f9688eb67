#!/usr/bin/env bash
# Unpacks the candidates in trainer/candidates to the runs that recipes name, runs/second/*; what is there stays.
set -euo pipefail
export PATH="$PWD/${VENV:-.venv}/bin:$PATH"
for file in trainer/candidates/*.safetensors; do
  out=runs/second/$(basename "$file" .safetensors)
  [ -d "$out" ] || python trainer/runs/packed.py unpack "$file" --out "$out"
done
[ -d runs/second/uniguard ] ||
  python trainer/runs/packed.py thaw trainer/candidates/uniguard-1 --out runs/second/uniguard \
    --notes trainer/recipes/uniguard-4.toml trainer/runs/logs/uniguard-4/result.json
