"""The prompt of the Llama Guard family, for categories that no chat template of a tokenizer takes.

Llama Guard 1 and 2 have their categories inside the template, Aegis has no template of its own; other categories are
put into the same frame. It is the interface of the models and follows
https://github.com/meta-llama/llama-cookbook (``prompt_format_utils.py``) and the cards of
https://huggingface.co/meta-llama/LlamaGuard-7b and https://huggingface.co/meta-llama/Meta-Llama-Guard-2-8B.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from unigurd_trainer.http.dialect import Message

__all__ = ["guard_prompt"]

SPEAKERS = {"user": "User", "assistant": "Agent"}

BODY = """\
Task: Check if there is unsafe content in '{speaker}' messages in conversations according our safety policy with the \
below categories.

<BEGIN UNSAFE CONTENT CATEGORIES>
{categories}
<END UNSAFE CONTENT CATEGORIES>

<BEGIN CONVERSATION>

{conversation}

<END CONVERSATION>

Provide your safety assessment for {whom} in the above conversation:
 - First line must read 'safe' or 'unsafe'.
 - If unsafe, a second line must include a comma-separated list of violated categories."""

LLAMA_2 = "<s>[INST] {body} [/INST]"
LLAMA_3 = (
    "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n{body}<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n"
)


def guard_prompt(messages: Sequence[Message], categories: Mapping[str, str], *, llama_3: bool) -> str:
    """Render a conversation whose last message is judged.

    Args:
        messages: Alternately of the user and the assistant.
        categories: Code -> title and description.
        llama_3: Whether the model is a Llama 3, which has other special tokens than a Llama 2.
    """
    speaker = SPEAKERS[messages[-1]["role"]]
    body = BODY.format(
        speaker=speaker,
        whom=f"ONLY THE LAST {speaker} message" if llama_3 else speaker,
        categories="\n".join(f"{code}: {text}" for code, text in categories.items()),
        conversation="\n\n".join(f"{SPEAKERS[each['role']]}: {each['content'].strip()}" for each in messages),
    )
    return (LLAMA_3 if llama_3 else LLAMA_2).format(body=body)
