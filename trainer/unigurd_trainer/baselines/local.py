"""A model that writes, through transformers: greedy, in batches of like length, with the odds of the verdict."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from unigurd_trainer.baselines.batching import Batcher
from unigurd_trainer.baselines.loading import load_causal, load_tokenizer, smaller_batches
from unigurd_trainer.baselines.options import LocalOptions
from unigurd_trainer.baselines.verdict_words import VerdictWords
from unigurd_trainer.baselines.writing import Prompt, Written
from unigurd_trainer.errors import RecipeError
from unigurd_trainer.memory import memory_named

__all__ = ["LocalWriter", "open_local"]


@dataclass(frozen=True, slots=True)
class _Encoded:
    prompt: Prompt
    ids: list[int]


class LocalWriter:
    """Answers prompts with a model.

    Args:
        tokenizer: Its tokenizer.
        model: The model, on its device.
        words: The words of its verdicts.
        batch_tokens: Tokens of a batch at most.
    """

    def __init__(self, tokenizer: Any, model: Any, words: VerdictWords, batch_tokens: int) -> None:  # noqa: ANN401
        self._tokenizer, self._model = tokenizer, model
        self._unsafe, self._safe = words.token_ids(self._encode)
        if not (self._unsafe and self._safe):
            raise RecipeError(
                f"The tokenizer of {tokenizer.name_or_path} does not know {words.unsafe!r} and {words.safe!r}. "
                "Check that the option `model` names the model that the baseline is for."
            )
        self._longest = int(getattr(model.config.get_text_config(), "max_position_embeddings", 0) or 1 << 30)
        self._batch: Batcher[_Encoded, Written] = Batcher(self._run, lambda each: len(each.ids), batch_tokens)

    async def write(self, prompt: Prompt) -> Written:
        """Return the likeliest answer; a prompt that does not fit into the model has a problem."""
        text = prompt.text or self.render(prompt)
        ids = self._encode(text)
        most = self._longest - prompt.max_new_tokens
        if len(ids) > most:
            return Written(problem=f"too long: {len(ids)} tokens, of {most} at most")
        return await self._batch(_Encoded(prompt, ids))

    def render(self, prompt: Prompt) -> str:
        """Render a prompt with the chat template of the tokenizer.

        Raises:
            RecipeError: The template refuses the conversation, or leaves out what has to be in it.
        """
        spellings = (prompt.messages, [{**each, "content": [_part(each["content"])]} for each in prompt.messages])
        reasons = []
        for messages in spellings:  # some templates take text, others take parts of text
            try:
                text = str(self._tokenizer.apply_chat_template(messages, tokenize=False, **prompt.template))
            except Exception as error:
                reasons.append(" ".join(str(error).split())[:200])
                continue
            if all(each.strip() in text for each in prompt.holds):
                return text
            reasons.append("it leaves out the text or the policy")
        raise RecipeError(
            f"The chat template of {self._tokenizer.name_or_path} does not fit this baseline: {reasons[-1]}. "
            "Check that the option `model` names the model that the baseline is for."
        )

    def _encode(self, text: str) -> list[int]:
        return [*self._tokenizer(text, add_special_tokens=False)["input_ids"]]

    def _run(self, batch: Sequence[_Encoded]) -> list[Written]:
        import torch

        started = time.perf_counter()
        with memory_named(lambda: smaller_batches(len(batch))), torch.inference_mode():
            ids, mask = self._padded([each.ids for each in batch])
            made = self._model.generate(
                input_ids=ids, attention_mask=mask, do_sample=False, temperature=None, top_p=None, top_k=None,
                max_new_tokens=max(each.prompt.max_new_tokens for each in batch), pad_token_id=self._pad,
                output_logits=True, return_dict_in_generate=True,
            )  # fmt: skip
            tokens = made.sequences[:, ids.shape[1] :].tolist()
            sides = [torch.stack(made.logits, dim=1)[..., side] for side in (self._unsafe, self._safe)]
            odds = torch.stack([each.float().logsumexp(-1) for each in sides], dim=-1).softmax(-1)[..., 0].tolist()
        ms = 1e3 * (time.perf_counter() - started)
        return [self._written(*row, ms) for row in zip((each.prompt for each in batch), tokens, odds, strict=True)]

    def _written(self, prompt: Prompt, tokens: list[int], odds: list[float], ms: float) -> Written:
        """Find the verdict among the new tokens; `odds` has P(unsafe) of the two words at each of them."""
        text = self._tokenizer.decode(tokens, skip_special_tokens=True)
        verdicts = {*self._unsafe, *self._safe}
        behind = range(self._start(prompt.after, tokens), len(tokens))
        places = [0] if prompt.at_once else [at for at in behind if tokens[at] in verdicts]
        return Written(text, odds[places[0]] if places else None, ms)

    def _start(self, after: str, tokens: list[int]) -> int:
        """Return the first token behind a text of the answer; behind all of them if it is not there."""
        places = range(len(tokens) + 1)
        return next((place for place in places if after in self._tokenizer.decode(tokens[:place])), len(tokens))

    @property
    def _pad(self) -> int:
        candidates = (self._tokenizer.pad_token_id, self._tokenizer.eos_token_id, 0)
        return next(int(each) for each in candidates if each is not None)

    def _padded(self, rows: Sequence[list[int]]) -> tuple[Any, Any]:
        """Return ids and mask, padded on the left: [rows, longest]."""
        import torch

        longest = max(map(len, rows))
        ids = [[self._pad] * (longest - len(row)) + row for row in rows]
        mask = [[0] * (longest - len(row)) + [1] * len(row) for row in rows]
        device = self._model.device
        return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


@asynccontextmanager
async def open_local(options: LocalOptions, words: VerdictWords, adapter: str = "") -> AsyncIterator[LocalWriter]:
    """Load the model of the options, with a LoRA adapter if one is named."""
    yield LocalWriter(load_tokenizer(options), load_causal(options, adapter), words, options.batch_tokens)


def _part(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}
