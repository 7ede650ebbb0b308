"""Everything that a bundle stores about what its model does not know, from cross-fitted predictions."""

from collections.abc import Sequence

from inference.bundle.uncertainty import Uncertainty
from inference.domain.taxonomy import CLASSES
from training.evaluation import decisions
from training.evaluation.bootstrap import lesion_weights
from training.evaluation.cross_fitting import Part, together
from training.evaluation.likelihoods import fit_likelihoods
from training.evaluation.malignancy import fit_malignancy
from training.evaluation.metrics import malignancy
from training.evaluation.prediction_sets import fit_prediction_sets
from training.evaluation.predictions import Predictions


def measure_uncertainty(
    predictions: Predictions, *, parts: Sequence[Part], networks: int, seed: int, resamples: int = 1000
) -> Uncertainty:
    """Fit to `predictions`, which the bundle is calibrated on; measure on the test images of `parts`.

    `networks`: how many networks answered, each its own images. Intervals by bootstrap over lesions.
    """
    test = together(parts)
    weights = lesion_weights(test.lesion_ids, resamples=resamples, seed=seed)
    calibrated = fit_malignancy(predictions, parts=parts, weights=weights)
    both = calibrated is not None and 0 < malignancy(test.labels, test.probabilities)[0].sum() < len(test)
    reached = decisions.reached_levels(parts) if both else {}
    melanomas = (test.labels == CLASSES.index("mel")).sum()
    return Uncertainty(
        networks=networks,
        prediction_sets=fit_prediction_sets(
            predictions.labels, predictions.probabilities, parts=parts, weights=weights
        ),
        likelihoods=fit_likelihoods(predictions, parts=parts, weights=weights),
        malignancy=calibrated,
        alarms=decisions.measure_alarms(test, reached, weights) if both else None,
        decision=decisions.decision_curve(parts, reached, weights) if both else (),
        melanoma=decisions.melanoma_detection(test, weights) if 0 < melanomas < len(test) else None,
    )
