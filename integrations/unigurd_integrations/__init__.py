"""Adapters that put a guard in front of other people's software: model clients, agents and servers.

One module per product; each imports that product at the point of use. The package depends on `unigurd_sdk`
only, never on the trainer or the plugins.
"""
