"""Calling servers: one patient client, what it is told of a server, and the OpenAI chat protocol on top of it."""
