"""The service keeps the cores for its model."""

import subprocess
import sys

COUNT = "import service.__main__, os, threading; print(len(os.listdir('/proc/self/task')) - threading.active_count())"


def test_the_service_starts_no_threads_for_blas(monkeypatch) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    started = subprocess.run([sys.executable, "-c", COUNT], capture_output=True, text=True, check=True).stdout
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    asked_for = subprocess.run([sys.executable, "-c", COUNT], capture_output=True, text=True, check=True).stdout
    assert int(asked_for) > int(started)


def test_opencv_has_one_thread_unless_told_otherwise(monkeypatch) -> None:
    count = [sys.executable, "-c", "import service.__main__, cv2; print(cv2.getNumThreads())"]
    monkeypatch.delenv("OPENCV_FOR_THREADS_NUM", raising=False)
    assert int(subprocess.check_output(count)) == 1
    monkeypatch.setenv("OPENCV_FOR_THREADS_NUM", "2")
    assert int(subprocess.check_output(count)) == 2
