"""Turns HAM10000 into a bundle: data, backbone, stages, metrics, export and tracking."""
