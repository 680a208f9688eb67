"""What the loader has to know of a data set on the Hub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from unigurd_sdk.template import Role
from unigurd_trainer.measure.hub.labels import LabelReader

__all__ = ["HubSpec"]


@dataclass(frozen=True, slots=True)
class HubSpec:
    """One evaluation set of one repository.

    Attributes:
        repo: The data set's repository.
        files: Patterns of the files that it is read from (CSV, JSON, JSON Lines or Parquet).
        split: The name of the split that these files are.
        text: Column with what is judged.
        label: How its columns become a label.
        policy: The built-in policy that the labels are about.
        part: Tells the sets of one repository apart.
        config: The configuration that the files belong to, where there are several.
        category: Column with the category: text, a list, or an object of category -> bool.
        role: Who wrote the text; `roles` gives it by the value of the column `role_column`.
        prompt: Column with the user's prompt, where responses are judged.
        dropped: Texts that stand for one that is not published.
        relatives: Names of training sources that share texts (``train-split``) or the corpus (``related``) with it.
        gated: Whether the Hub gives it only to accounts that accepted its conditions.
        paper: Whether it is one of the paper's seven public benchmarks.
    """

    repo: str
    files: tuple[str, ...]
    split: str
    text: str
    label: LabelReader
    policy: str
    part: str = ""
    config: str = ""
    category: str = ""
    role: Role = "user"
    role_column: str = ""
    roles: Mapping[str, Role] = field(default_factory=dict)
    prompt: str = ""
    dropped: frozenset[str] = frozenset()
    relatives: Mapping[str, str] = field(default_factory=dict)
    gated: bool = False
    paper: bool = False

    @property
    def name(self) -> str:
        """The set's name: the repository, and the part where there are several."""
        return f"{self.repo}#{self.part}" if self.part else self.repo
