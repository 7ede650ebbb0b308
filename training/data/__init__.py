"""Data sets: download, records, splits, prepared and augmented images, drawn lesions. No network."""
