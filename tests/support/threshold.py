"""Images whose out-of-distribution score is so close to the threshold that rounding may decide."""

from inference.bundle.out_of_distribution import scores
from inference.prediction.classifier import Classifier

# AVX2 in place of AVX-512 moved no score of the starter by more than 1e-9 (41 drawings and photos); a drawing in which
# one of a hundred pixel values is another by one, as other sines and exponentials may draw it, by 6e-4 at most.
EDGE = 0.002


def out_of_distribution(classifier: Classifier, data: bytes) -> tuple[bool, bool]:
    """Whether the starter warns about this image, and whether its score is within EDGE of the threshold."""
    prepared = classifier.prepare(data)
    outputs = classifier.run(prepared.batch)
    ood_detector = classifier.bundle.ood_detector
    assert ood_detector is not None
    score = scores(outputs.features.mean(axis=(1, 2)), ood_detector.components).mean()
    warned = "out_of_distribution" in classifier.predict(prepared, outputs).warnings
    return warned, abs(score - ood_detector.evaluation.threshold) < EDGE
