"""Puts `inference` on the network: HTTP, the page, and the model in service."""
