"""Plugins that ship with the distribution, through the same hooks that third parties use.

Nothing is loaded by importing this package. It depends on `unigurd_sdk` only, never on the trainer or the
integrations.
"""
