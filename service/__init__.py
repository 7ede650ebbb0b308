"""The HTTP service: API, page, and the served model. Uses `inference`, never `training`."""

import os

# Set before NumPy and OpenCV are imported. OpenBLAS's threads wait in a busy loop, on the cores that OpenVINO's threads
# need. OpenCV's gain nothing on pictures of this size, and wait for each other where cores are busy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")
