"""The HTTP service: API, page, and the served model. Uses `inference`, never `training`."""

import os

# Set before NumPy is imported: OpenBLAS's threads wait in a busy loop, on the cores that OpenVINO's threads need.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
