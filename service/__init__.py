"""Puts `inference` on the network: HTTP, the page, and the model in service."""

import os

# Before NumPy is imported, in this package's first line: OpenBLAS's threads wait for their next product in a busy loop,
# on the cores that OpenVINO's threads need.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
