"""The trainer: policies to data, data to guards, guards to one merged guard."""
