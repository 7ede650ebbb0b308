"""Evaluation of networks: metrics, confidence intervals, calibration, comparison. Writes no report."""
