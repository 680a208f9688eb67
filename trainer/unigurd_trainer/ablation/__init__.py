"""Ablations: what each part of the training is worth: grids of runs that resume, tables with intervals, plots."""
