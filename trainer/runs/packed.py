"""Store a run in 15 MB: its encoder's matrices as int8 by row, the rest as float16, without words that are frozen.

    python trainer/runs/packed.py pack RUN --out FILE.safetensors [--words CHECKPOINT]
    python trainer/runs/packed.py unpack FILE.safetensors --out RUN [--words CHECKPOINT]
    python trainer/runs/packed.py thaw CHECKPOINT --out RUN --notes RECIPE.toml RESULT.json

`thaw` makes a run of a checkpoint, by what its last stage noted.

Packing rounds the weights of the run itself too, so that whatever is measured afterwards is what the file holds.
The words come from a checkpoint, by default that of the first generation.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from unigurd_sdk.checkpoint import Checkpoint
from unigurd_sdk.hub import locate
from unigurd_sdk.nn.weights import SCALE
from unigurd_sdk.runtime.torch import load_model
from unigurd_trainer.quantise import WORDS, quantise_rows
from unigurd_trainer.recipe import load_recipe

Tensors = dict[str, Tensor]
NOTES = ("recipe.json", "result.json")


def main() -> None:
    """Pack or unpack."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("do", choices=("pack", "unpack", "thaw"))
    parser.add_argument("source", type=Path, help="a run, a packed file, or a checkpoint")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--words", default="trainer/candidates/uniguard-1", help="a checkpoint")
    parser.add_argument("--notes", type=Path, nargs=2, help="recipe and result of a run")
    args = parser.parse_args()
    {"pack": pack, "unpack": unpack, "thaw": thaw}[args.do](args)


def pack(args: Namespace) -> None:
    """Write the file, and the run as the file has it."""
    weights = args.source / "best.safetensors"
    notes = {name: (args.source / name).read_text(encoding="utf-8") for name in NOTES}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    save_file(packed(load_file(weights), words_of(args.words)), args.out, metadata=notes)
    unpack(Namespace(source=args.out, out=args.source, words=args.words))


def unpack(args: Namespace) -> None:
    """Write the run that a file holds."""
    args.out.mkdir(parents=True, exist_ok=True)
    with safe_open(args.source, "pt") as file:
        notes = file.metadata()
    for name in NOTES:
        (args.out / name).write_text(notes[name], encoding="utf-8")
    save_file(unpacked(load_file(args.source), words_of(args.words)), args.out / "best.safetensors")


def thaw(args: Namespace) -> None:
    """Write a checkpoint as a run."""
    recipe, result = args.notes
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / NOTES[0]).write_text(load_recipe(recipe).model_dump_json(indent=1), encoding="utf-8")
    (args.out / NOTES[1]).write_bytes(result.read_bytes())
    weights = load_model(Checkpoint.open(locate(str(args.source)))).state_dict()
    save_file({name: weights[name].contiguous() for name in sorted(weights)}, args.out / "best.safetensors")


def packed(weights: Tensors, words: Tensor) -> Tensors:
    """Round tensors; words that are not those given are refused."""
    if not torch.equal(weights.pop(WORDS), words):
        raise SystemExit("The words of this run were trained; it cannot be packed without them.")
    found: Tensors = {}
    for name, tensor in weights.items():
        if name.startswith("bert.encoder") and tensor.ndim == 2:
            rows, scale = quantise_rows(tensor.numpy())
            found |= {name: torch.from_numpy(rows), name + SCALE: torch.from_numpy(scale)}
        else:
            found[name] = tensor.half() if tensor.is_floating_point() else tensor
    return found


def unpacked(stored: Tensors, words: Tensor) -> Tensors:
    """Return tensors in float32."""
    found = {WORDS: words}
    for name, tensor in stored.items():
        if tensor.dtype == torch.int8:
            found[name] = tensor.float() * stored[name + SCALE]
        elif not name.endswith(SCALE):
            found[name] = tensor.float() if tensor.is_floating_point() else tensor
    return dict(sorted(found.items()))


def words_of(name: str) -> Tensor:
    """Read the words of a checkpoint."""
    return load_model(Checkpoint.open(locate(name))).state_dict()[WORDS]


if __name__ == "__main__":
    main()
