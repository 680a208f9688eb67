"""How long a fresh process takes to its first verdict, and how much memory it then has.

    python benchmarks/cold_start.py [CHECKPOINT] [--rounds 7] [--json out.json]

Every row is a process of its own, started by turns; reported are medians. `bare` imports onnxruntime and tokenizers,
opens the same two graphs and the same tokenizer, and runs both graphs once: what no client can avoid. `import
transformers` is what a guard on top of it pays before it has loaded anything.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from statistics import median
from typing import Any

from timing import report

TEXT, POLICY = "How much tax do I pay on the car that I sold last year?", "tax"

SCRIPTS = {
    "uniguard": """
from unigurd_sdk import Guard
Guard.from_pretrained(FOLDER, threads=1).check(TEXT, policy=POLICY)
""",
    "bare": """
import numpy, onnxruntime, tokenizers
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
sessions = [onnxruntime.InferenceSession(f"{FOLDER}/{name}", options) for name in GRAPHS]
tokenizer = tokenizers.Tokenizer.from_file(FOLDER + "/tokenizer.json")
ids = tokenizer.encode(TEXT).ids
for session in sessions:
    feed = {}
    for entry in session.get_inputs():
        kind = {"tensor(int64)": "int64", "tensor(float)": "float32", "tensor(bool)": "bool"}[entry.type]
        shape = [size if isinstance(size, int) else 1 for size in entry.shape]
        feed[entry.name] = numpy.ones(shape, kind)
        if entry.name in ("input_ids", "attention_mask"):
            feed[entry.name] = numpy.array([ids if entry.name == "input_ids" else [1] * len(ids)])
    session.run(None, feed)
""",
    "import unigurd_sdk": "import unigurd_sdk",
    "import onnxruntime, tokenizers": "import onnxruntime, tokenizers",
    "import transformers": "import transformers; from transformers import pipeline",
}

AROUND = """
import sys, time
started = time.perf_counter()
FOLDER, TEXT, POLICY, GRAPHS = {values!r}
{script}
taken = time.perf_counter() - started
fields = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
print(taken, int(fields["VmRSS"].split()[0]) / 1024)
"""


def main() -> None:
    """Measure processes by turns."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("checkpoint", nargs="?", type=Path, default=Path("unigurd_sdk/models/uniguard"))
    parser.add_argument("--rounds", type=int, default=7, help="processes of each kind")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    args = parser.parse_args()
    report("A fresh process (medians)", measure(args.checkpoint, args.rounds), args.json)


def measure(folder: Path, rounds: int) -> list[dict[str, Any]]:
    """Start every script once a round, in changing order; milliseconds of a whole process include the interpreter's."""
    taken: dict[str, list[tuple[float, float, float]]] = {name: [] for name in SCRIPTS}
    for number in range(-1, rounds):
        for name in sorted(SCRIPTS, reverse=bool(number % 2)):
            measured = _run(SCRIPTS[name], folder)
            if number >= 0:
                taken[name].append(measured)
    rows = {name: [median(column) for column in zip(*each, strict=True)] for name, each in taken.items()}
    return [
        {
            "": name, "ms": inside, "process ms": whole, "RSS MB": memory,
            "to bare": inside / rows["bare"][0], "to import transformers": inside / rows["import transformers"][0],
            "RSS to bare": memory / rows["bare"][2],
        }
        for name, (inside, whole, memory) in rows.items()
    ]  # fmt: skip


def _run(script: str, folder: Path) -> tuple[float, float, float]:
    """Give milliseconds within the process, milliseconds of all of it, and megabytes."""
    manifest = json.loads((folder / "guard.json").read_text())
    graphs = sorted(name for name in manifest["files"] if name.endswith(".onnx"))
    code = AROUND.format(values=(str(folder), TEXT, POLICY, graphs), script=script)
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    whole = time.perf_counter() - started
    inside, memory = map(float, done.stdout.split()[-2:])
    return 1000 * inside, 1000 * whole, memory


if __name__ == "__main__":
    main()
