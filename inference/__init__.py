"""Turns image bytes into a prediction and an explanation. Contains no HTTP and no training."""

# The version of Lunar: pyproject.toml, the image tags and CHANGELOG.md repeat it, and tests/test_version.py compares.
__version__ = "0.2.0"
