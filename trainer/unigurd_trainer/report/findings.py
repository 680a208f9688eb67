"""Findings: what a reader should know first, in sentences, each with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator

from unigurd_trainer.report.measure import Report

__all__ = ["findings"]


def findings(report: Report) -> tuple[str, ...]:
    """Say what stands out; a data set about which nothing does has none."""
    return (*_balance(report), *_duplicates(report), *_shortcut(report), *_noise(report))


def _balance(report: Report) -> Iterator[str]:
    share = report.unsafe / report.rows
    if not report.safe or not report.unsafe:
        yield "All rows have one label: a guard cannot learn from them. Add rows of the other one."
    elif not 0.3 <= share <= 0.7:
        yield f"{share:.0%} of the rows are unsafe. Aim for half, or weigh the labels in training."
    one_sided = [split.value for split in report.tables.get("policy", ()) if not split.safe or not split.unsafe]
    if one_sided and report.safe and report.unsafe:
        yield f"{len(one_sided)} policies have rows of one label only: what they teach is the policy's name."
    flipped = report.flipped / report.rows
    if flipped > 0.1:
        yield f"Self-reflection turned {flipped:.0%} of the labels: refine the policy and generate again."


def _duplicates(report: Report) -> Iterator[str]:
    counts = report.duplicates
    share = 1 - counts["kept"] / counts["rows"]
    if share > 0.02:
        yield f"{share:.0%} of the rows repeat others. Run `unigurd-train data dedup`."
    if counts["review"]:
        yield f"{counts['review']} pairs of nearly equal texts have different labels. `data dedup` lists them: decide."
    sample = report.sample_duplicates
    if sample and sample["semantic"] > 0.05 * sample["rows"]:
        share = sample["semantic"] / sample["rows"]
        yield f"{share:.0%} of the sample mean what another row means. Ask for more variety."


def _shortcut(report: Report) -> Iterator[str]:
    shortcut, policies = report.shortcut, len(report.tables.get("policy", ()))
    if shortcut.wording is None:
        yield "There are too few rows of a label to check for shortcuts and noise."
    elif shortcut.wording > 0.9:
        excuse = "" if policies > 1 else " With one policy that is partly its topic, so read the words themselves."
        yield f"Single words tell the label (AUC {shortcut.wording:.2f}) without the policy.{excuse}"
    if shortcut.length is not None and shortcut.length > 0.7:
        yield f"The length of a text tells its label (AUC {shortcut.length:.2f}). Ask for equal lengths."


def _noise(report: Report) -> Iterator[str]:
    noise = report.noise
    if noise is not None and noise.auc >= 0.7 and noise.suspect > 0.05:
        yield f"About {noise.suspect:.0%} of the labels look wrong. Read the suspects; correct or drop them."
    if noise is not None and noise.auc < 0.7:
        yield f"The model behind the noise estimate hardly tells the labels (AUC {noise.auc:.2f}): it proves nothing."
