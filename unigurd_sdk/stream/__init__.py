"""Streams: the output of a model, checked while it is written, before it is shown."""
