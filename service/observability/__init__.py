"""Metrics, drift, traces and logs. Nothing here decides what is answered."""
