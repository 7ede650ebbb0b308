"""Turns HAM10000 into a bundle and publishes it in MLflow: data, networks, training, evaluation, export, tracking."""
