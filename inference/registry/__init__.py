"""The MLflow registry and the local cache of bundles. No model is executed here."""
