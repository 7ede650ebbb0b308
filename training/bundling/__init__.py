"""A network and its evaluation -> a bundle with its model card."""
