"""The card of a data set, in Markdown: what it holds, who made it, under which licences, and what it is not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from unigurd_sdk.policy import Policy
from unigurd_trainer.report.excerpt import excerpt
from unigurd_trainer.report.findings import findings
from unigurd_trainer.report.html import percent, share
from unigurd_trainer.report.measure import Report
from unigurd_trainer.report.tally import Split

__all__ = ["card"]

_VALUES = 20
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#!|~&$])")

LIMITS = """- Labels are those of the generator or source, under the policies named here; they are not those of experts.
- Generated texts are cleaner, and more alike, than what people type. Measure a guard on your own traffic too.
- The data holds texts that violate policies, on purpose. Do not show it to people who did not ask for it.
"""


def card(report: Report, *, name: str, policies: Iterable[Policy] = ()) -> str:
    """Write the card.

    Args:
        report: What was measured.
        name: Name of the data set.
        policies: The policies that its rows name, to be printed in full.
    """
    parts = [
        f"# {_plain(name)}\n\nTexts labelled safe or unsafe under a policy, to train and measure guards.\n",
        _counts(report),
        _section("Policies", "".join(_policy(policy) for policy in policies) or _values(report, "policy")),
        _section("Generators", _values(report, "generator")),
        _section("Sources and licences", _values(report, "source") + _values(report, "licence")),
        _section("Languages", _values(report, "language") or _values(report, "script")),
        _section("Quality", _quality(report)),
        _section("Known limits", LIMITS + "".join(f"- {finding}\n" for finding in findings(report))),
    ]
    return "\n".join(part for part in parts if part)


def _counts(report: Report) -> str:
    rows = [Split("all", report.safe, report.unsafe), *report.tables.get("difficulty", ())]
    return _section("Rows", _table(["rows", "safe", "unsafe"], ((_plain(r.value), r.safe, r.unsafe) for r in rows)))


def _quality(report: Report) -> str:
    return "".join(f"- {name}: {value}\n" for name, value in _measures(report))


def _measures(report: Report) -> Iterator[tuple[str, str]]:
    counts, noise = report.duplicates, report.noise
    yield "rows that repeat another, by wording", percent(1 - counts["kept"] / counts["rows"])
    yield "pairs of nearly equal texts with different labels", f"{counts['review']:,}"
    yield "AUC of the words alone, without the policy (.5 is best)", share(report.shortcut.wording)
    yield "labels that look wrong to a cross-validated model", percent(noise.suspect if noise else None)
    yield "labels that self-reflection turned", percent(report.flipped / report.rows)


def _policy(policy: Policy) -> str:
    lists = (("Allowed", policy.allowed), ("Disallowed", policy.disallowed))
    items = "".join(f"\n{title}:\n\n{_items(lines)}" for title, lines in lists if lines)
    return f"### {_plain(policy.name)}, version {policy.version}\n\n{_plain(policy.description, 2000)}\n{items}\n"


def _items(lines: Iterable[str]) -> str:
    return "".join(f"- {_plain(line)}\n" for line in lines)


def _values(report: Report, field: str) -> str:
    """List the values of a field; empty if no row states it."""
    splits = report.tables.get(field, ())
    more = f"- and {len(splits) - _VALUES:,} more\n" if len(splits) > _VALUES else ""
    return "".join(f"- {_plain(split.value)}: {split.rows:,} rows\n" for split in splits[:_VALUES]) + more


def _section(title: str, content: str) -> str:
    return f"## {title}\n\n{content or 'Not stated.' + chr(10)}"


def _table(columns: list[str], rows: Iterable[tuple[object, ...]]) -> str:
    head = f"| {' | '.join(columns)} |\n| --- |{' ---: |' * (len(columns) - 1)}\n"
    return head + "".join(f"| {' | '.join(map(str, row))} |\n" for row in rows)


def _plain(text: str, longest: int = 240) -> str:
    """Return a text that Markdown shows as it is."""
    return _SPECIAL.sub(r"\\\1", excerpt(text, longest))
