"""MLflow: tracked runs, stored predictions, publishing and promotion of models."""
