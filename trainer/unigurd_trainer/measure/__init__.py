"""Measuring: checkpoints and foreign predictions on labelled sets, calibration, tables and model cards."""
