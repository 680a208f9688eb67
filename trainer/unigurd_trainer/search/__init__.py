"""The search for a merge: which weights, parameters and method give the best guard on validation rows."""
