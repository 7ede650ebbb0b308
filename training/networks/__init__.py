"""The Keras network around a backbone, and ensembles of such networks. No training loop."""
