"""The inference service: HTTP API, page, and the model that it serves."""

import os

# Before NumPy is imported, in this package's first line: OpenBLAS's threads wait for their next product in a busy loop,
# on the cores that OpenVINO's threads need. Every forward pass after a heat map was a third slower.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
