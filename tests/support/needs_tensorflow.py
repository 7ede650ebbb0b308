"""TensorFlow, for test modules: where it is not installed, a module that imports this is skipped.

Tests in other modules use the fixture `tensorflow`.
"""

import pytest

tf = pytest.importorskip(
    "tensorflow",
    reason="TensorFlow is not installed; requirements-training.lock installs it on Python 3.11, 3.12 and 3.13",
)
