#!/usr/bin/env bash
# The third generation: goes on from the merge of the second with documents of many packages (docs/decisions/0012, 0013), each run
# on one CPU thread: `documents` (45 minutes), `mixed-1` from that and `mixed-2` from the merge (50 minutes each, at the same
# time). Their average ships (trainer/runs/ship.sh). Replaces `documents` and `mixed` in trainer/candidates.
set -euo pipefail
export PATH="$PWD/${VENV:-.venv}/bin:$PATH"
data=${DATA:-${UNIGURD_DATA:-../shared/data}}
trainer/runs/unpack.sh
[ -d runs/data ] || python trainer/runs/more_data.py --data "$data" --out runs/data
[ -d runs/second/merged ] || unigurd-train merge apply trainer/recipes/merge/second.toml --out runs/second/merged
train() { # name, run to go on from
  unigurd-train gip "trainer/recipes/third/$1.toml" --from "$2" --data runs/data --out "runs/third/$1" --threads 1
  python trainer/runs/packed.py pack "runs/third/$1" --out "runs/third/$1.safetensors"
}
train documents runs/second/merged
train mixed-1 runs/third/documents &
train mixed-2 runs/second/merged
wait $!
unigurd-train merge apply trainer/recipes/merge/uniguard.toml --out runs/third/mixed
python trainer/runs/packed.py pack runs/third/mixed --out runs/third/mixed.safetensors
for name in documents mixed; do
  cp "runs/third/$name.safetensors" trainer/candidates/
  rm -rf "runs/second/$name" # unpack.sh leaves what is there
done
