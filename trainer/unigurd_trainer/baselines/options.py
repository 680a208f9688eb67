"""What the options of baselines have in common, and which of them are recorded with the predictions."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from unigurd_trainer.baselines.counting import Count, Taxonomy
from unigurd_trainer.http.options import ConnectionOptions, HttpUrl
from unigurd_trainer.http.reply import without_secrets

__all__ = ["BaselineOptions", "CountOptions", "LocalOptions", "MaybeUrl", "ServiceOptions", "WriterOptions"]


MaybeUrl = Annotated[str, StringConstraints(strip_whitespace=True, pattern="^(https?://[^/].*)?$")]


class BaselineOptions(BaseModel):
    """Options of a baseline."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    UNRECORDED: ClassVar[frozenset[str]] = frozenset()
    """Options that cannot change an answer."""

    def settings(self) -> dict[str, Any]:
        """Return the options that can change an answer; predictions of other ones are another model's."""
        return self.model_dump(mode="json", exclude=set(self.UNRECORDED))

    @property
    def ahead(self) -> int:
        """How many rows are worth having open at the same time."""
        return 1

    def model_name(self) -> str:
        """Return the model, if there is a choice."""
        return ""

    def version(self) -> str:
        """Return which version of it, if it can be said."""
        return ""

    def rule(self) -> str:
        """Return how it comes to its verdict, in words."""
        return "as the model answers"


class CountOptions(BaselineOptions):
    """Options of a baseline with categories of its own."""

    count: Count = Field(
        default="mapped",
        description="which findings count: those of the categories mapped to the policy of the row, or `any`",
    )

    def taxonomy(self, usual: Taxonomy) -> Taxonomy | None:
        """Return the categories that these options have it judge by; None for the policy itself."""
        return usual

    def rule(self) -> str:
        """Return how it comes to its verdict, in words."""
        if self.count == "any":
            return "any finding counts as unsafe"
        return "findings in the categories mapped to the row's policy count; any finding if none is mapped"


class ServiceOptions(BaselineOptions, ConnectionOptions):
    """Options of a baseline that is a service."""

    UNRECORDED: ClassVar[frozenset[str]] = frozenset(ConnectionOptions.model_fields) | {"endpoint"}

    endpoint: HttpUrl = Field(description="base URL of the service")

    def settings(self) -> dict[str, Any]:
        """Return the options that can change an answer, and the address without secrets."""
        return {**super().settings(), "endpoint": self.endpoint and without_secrets(self.endpoint)}

    @property
    def ahead(self) -> int:
        """As many rows as there may be requests."""
        return self.concurrency

    def address(self, path: str) -> str:
        """Return the address of a path below the endpoint."""
        return self.endpoint.rstrip("/") + path


class LocalOptions(BaselineOptions):
    """Options of a baseline that runs here, through transformers."""

    UNRECORDED: ClassVar[frozenset[str]] = frozenset({"device", "batch_tokens", "pool"})

    model: str = Field(min_length=1, description="folder, or repository of the Hugging Face Hub")
    revision: str = Field(default="", description="commit of the repository; empty is the newest")
    device: str = Field(default="", description="cpu, cuda or cuda:N; empty is cuda where there is one")
    dtype: str = Field(
        default="auto", pattern="^(auto|float32|bfloat16|float16)$", description="number type; auto is that of the file"
    )
    batch_tokens: int = Field(default=8192, ge=1, description="tokens of a batch at most, padding included")
    pool: int = Field(default=64, ge=1, description="rows that are open at the same time, to batch by length; 1 times")

    @property
    def ahead(self) -> int:
        """As many rows as are sorted by length."""
        return self.pool

    def model_name(self) -> str:
        """Return the repository, or the name of the folder."""
        return self.model.rstrip("/").rpartition("/")[2]

    def version(self) -> str:
        """Return the commit that was asked for."""
        return self.revision


class WriterOptions(LocalOptions, ConnectionOptions):
    """Options of a model that runs here, or at an endpoint of the chat protocol that applies its template."""

    UNRECORDED: ClassVar[frozenset[str]] = LocalOptions.UNRECORDED | set(ConnectionOptions.model_fields)

    endpoint: MaybeUrl = Field(default="", description="base URL of a server of the model; empty runs it here")

    @property
    def ahead(self) -> int:
        """As many rows as there may be requests, or as are sorted by length."""
        return self.concurrency if self.endpoint else self.pool

    def settings(self) -> dict[str, Any]:
        """Return the options that can change an answer, and the address without secrets."""
        return {**super().settings(), "endpoint": self.endpoint and without_secrets(self.endpoint)}
