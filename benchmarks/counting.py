"""python -m benchmarks.counting: processor time that the metrics of one request take, in microseconds.

All that the service records of a request to /explain with one image: its steps, the answer and the request itself.
Prints one JSON line.
"""

import time
from collections.abc import Callable

from benchmarks.drawing import UPLOAD
from benchmarks.harness.measuring import emit, options, summary
from inference.bundle.storage import open_bundle
from inference.domain.model_version import ModelVersion
from inference.prediction.classifier import Classifier, Prediction
from service.observability.metrics import Metrics
from service.observability.request_record import RequestRecord
from tests.support.lesion_images import lesion
from tests.support.paths import STARTER

BATCHES, REQUESTS = 50, 200


def main() -> None:
    """Measure and print."""
    given, began = options(__doc__.partition(":")[0]).parse_args(), time.perf_counter()
    classifier = Classifier.open(open_bundle(STARTER))
    prepared = classifier.prepare(lesion(width=UPLOAD[0], height=UPLOAD[1]))
    count = counting(classifier.predict(prepared, classifier.run(prepared.batch)))
    batches = max(2, round(given.share * BATCHES))
    emit("counting", began=began, share=given.share, microseconds=summary([batch(count) for _ in range(batches)]))


def counting(prediction: Prediction) -> Callable[[], None]:
    """A function that records one request with this prediction."""
    metrics, version = Metrics(), ModelVersion("skin-lesion", "1", "champion", "", "benchmark")
    metrics.model.swapped(version, runtime="openvino", graph="openvino-fp32", reference=None)

    def count() -> None:
        record = RequestRecord(None)
        record.version = version.version
        metrics.requests.started()
        for name in ("decode", "inference", "explain"):
            with record.steps.timed(name):
                pass
        record.steps.end("queue", began=0.0)
        metrics.answers.noted(version, prediction)
        metrics.requests.ended(record, route="/explain", method="POST", status=200, seconds=0.02)

    return count


def batch(count: Callable[[], None]) -> float:
    """Microseconds a request, of this thread's processor time, which other processes do not add to."""
    began = time.thread_time()
    for _ in range(REQUESTS):
        count()
    return 1e6 * (time.thread_time() - began) / REQUESTS


if __name__ == "__main__":
    main()
