"""The bundle as an MLflow model: its files, its signature and its table rows. Downloading is in `registry`."""
