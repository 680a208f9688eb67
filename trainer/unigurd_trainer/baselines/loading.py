"""Models of the Hub through transformers: safetensors only, no code from a repository."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unigurd_sdk.errors import MissingExtra
from unigurd_trainer.errors import RecipeError

if TYPE_CHECKING:
    from unigurd_trainer.baselines.options import LocalOptions

__all__ = ["load_causal", "load_classifier", "load_tokenizer", "smaller_batches"]


def load_tokenizer(options: LocalOptions, model: str = "") -> Any:  # noqa: ANN401 - transformers is optional
    """Load the tokenizer of the model, or of another one."""
    from_pretrained = _transformers().AutoTokenizer.from_pretrained
    return _loaded(from_pretrained, options, model or options.model, {})


def load_causal(options: LocalOptions, adapter: str = "") -> Any:  # noqa: ANN401
    """Load a model that writes, with a LoRA adapter if one is named; ready on its device.

    Of a model that also sees, such as Llama Guard 4, the part that reads is loaded.
    """
    from_pretrained = _transformers().AutoModelForCausalLM.from_pretrained
    model = _loaded(from_pretrained, options, options.model, _weights(options))
    if adapter:
        model = _adapted(model, adapter)
    return model.to(_device(options)).eval()


def load_classifier(options: LocalOptions) -> Any:  # noqa: ANN401
    """Load a sequence classifier; ready on its device."""
    from_pretrained = _transformers().AutoModelForSequenceClassification.from_pretrained
    return _loaded(from_pretrained, options, options.model, _weights(options)).to(_device(options)).eval()


def smaller_batches(rows: int) -> str:
    """Say what helps where a batch does not fit into memory."""
    return (
        f"A batch of {rows} rows does not fit into memory. Lower batch_tokens (--set batch_tokens=2048), or choose "
        "a smaller dtype or another device; what was judged stays, and the same command goes on."
    )


def _transformers() -> Any:  # noqa: ANN401
    try:
        import transformers
    except ImportError as error:
        raise MissingExtra("transformers", extra="baselines", purpose="A baseline that runs here") from error
    return transformers


def _loaded(from_pretrained: Any, options: LocalOptions, model: str, more: dict[str, Any]) -> Any:  # noqa: ANN401
    if model == options.model and options.revision:
        more = {**more, "revision": options.revision}
    try:
        return from_pretrained(model, **more)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise RecipeError(
            f"The model {model!r} cannot be loaded ({reason}). Give a folder or a repository that you have access to; "
            "a gated one needs its licence accepted on the Hub and HF_TOKEN in the environment."
        ) from error


def _weights(options: LocalOptions) -> dict[str, Any]:
    return {"dtype": options.dtype, "use_safetensors": True}


def _adapted(model: Any, adapter: str) -> Any:  # noqa: ANN401
    try:
        from peft import PeftModel
    except ImportError as error:
        raise MissingExtra("peft", extra="baselines", purpose="A LoRA adapter") from error
    try:
        return PeftModel.from_pretrained(model, adapter).merge_and_unload()
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise RecipeError(
            f"The adapter {adapter!r} cannot be loaded ({reason}). Give a folder or a repository."
        ) from error


def _device(options: LocalOptions) -> str:
    import torch

    return options.device or ("cuda" if torch.cuda.is_available() else "cpu")
