"""A policy in words, for prompts."""

from __future__ import annotations

from unigurd_sdk.policy import Policy

__all__ = ["policy_text", "violation_text"]


def policy_text(policy: Policy) -> str:
    """Return a policy with both its lists."""
    parts = [f"Policy: {policy.description}"]
    for heading, lines in (("The policy allows:", policy.allowed), ("The policy forbids:", policy.disallowed)):
        if lines:
            parts.append("\n".join([heading, *(f"- {line}" for line in lines)]))
    return "\n\n".join(parts)


def violation_text(policy: Policy) -> str:
    """Return a policy as "Should not" and "Can", the form of the categories of Llama Guard."""
    parts = [policy.description]
    for heading, lines in (("Should not", policy.disallowed), ("Can", policy.allowed)):
        if lines:
            parts.append("\n".join([heading, *(f"- {line}" for line in lines)]))
    return "\n".join(parts)
