"""The MLflow model from code, a wrapper of the classifier. MLflow executes this file; no module imports it."""

from pathlib import Path
from threading import Lock
from typing import Any

import mlflow
import pandas
from mlflow.exceptions import MlflowException
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from inference.bundle.storage import open_bundle
from inference.imaging.errors import ImageError
from inference.mlflow_model.scoring import Row, ScoringParameters, answer, read_cell, refusal
from inference.mlflow_model.signature import IMAGE, OUTPUTS
from inference.prediction.classifier import Classifier


class SkinLesionModel(PythonModel):
    """Predicts a table of image files, one row an image; inference.mlflow_model.signature defines the columns."""

    def load_context(self, context: PythonModelContext) -> None:
        """Open the bundle, warm up and verify. Raises InvalidBundle, RuntimeUnavailable, GoldenMismatch."""
        self._classifier = Classifier.open(open_bundle(Path(context.artifacts["bundle"])))
        self._lock = Lock()  # MLflow's scoring server calls from several threads; a runtime is not thread-safe

    def predict(
        self, context: PythonModelContext, model_input: pandas.DataFrame, params: dict[str, Any] | None = None
    ) -> pandas.DataFrame:
        """One row with the columns of OUTPUTS for each row of column `image`; unreadable images get an `error`.

        The columns have dtype object, so that a missing number becomes null in JSON instead of NaN. Raises
        MlflowException for a parameter that is not allowed.
        """
        try:
            parameters = ScoringParameters.parse(params)
        except ValueError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error
        rows = [self._score(cell, parameters) for cell in model_input[IMAGE]]
        return pandas.DataFrame(rows, columns=list(OUTPUTS), dtype=object)

    def _score(self, cell: object, parameters: ScoringParameters) -> Row:
        try:
            side = parameters.explanation.side if parameters.explanation else 0
            prepared = self._classifier.prepare(read_cell(cell), tta=parameters.tta, side=side)
        except ImageError as error:
            return refusal(error)
        with self._lock:
            outputs = self._classifier.run(prepared.batch)
        return answer(self._classifier.analyse(prepared, outputs, parameters.explanation))


mlflow.models.set_model(SkinLesionModel())
