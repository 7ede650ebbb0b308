"""From image bytes to the model's input: decoding, preprocessing, quality checks, views. No model."""
