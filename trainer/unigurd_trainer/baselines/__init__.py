"""Baselines: what other guards say of the same rows, as predictions that `unigurd-train evaluate` reads.

One module for each rival. An adapter asks a service over HTTP, or runs a model of the Hub through transformers; all of
them have `judge`, a question in and a `Judgement` out, so that a table of the paper is one command for each line of it.
"""
