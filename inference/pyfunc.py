"""The bundle as an MLflow model from code: a shell around the classifier that MLflow executes, and nobody imports."""

from pathlib import Path
from threading import Lock
from typing import Any

import mlflow
import pandas
from mlflow.exceptions import MlflowException
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from inference.bundle import open_bundle
from inference.classifier import Classifier
from inference.image import ImageError
from inference.scoring import Parameters, Row, answer, read_cell, refusal
from inference.signature import IMAGE, OUTPUTS


class SkinLesionModel(PythonModel):
    """Image files in, one row an image out, as inference.signature says."""

    def load_context(self, context: PythonModelContext) -> None:
        """Open the bundle, warm up and verify. Raises InvalidBundle, RuntimeUnavailable, GoldenMismatch."""
        self._classifier = Classifier.open(open_bundle(Path(context.artifacts["bundle"])))
        self._turn = Lock()  # MLflow's scoring server calls from many threads; a runtime wants one at a time

    def predict(
        self, context: PythonModelContext, model_input: pandas.DataFrame, params: dict[str, Any] | None = None
    ) -> pandas.DataFrame:
        """Column `image` -> the columns of OUTPUTS, row by row; an image without an answer has a row that says why.

        Columns hold objects, so that a missing number is null in JSON and not NaN. Raises MlflowException for a
        parameter that is not allowed.
        """
        try:
            parameters = Parameters.parse(params)
        except ValueError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error
        rows = [self._score(cell, parameters) for cell in model_input[IMAGE]]
        return pandas.DataFrame(rows, columns=list(OUTPUTS), dtype=object)

    def _score(self, cell: object, parameters: Parameters) -> Row:
        try:
            prepared = self._classifier.prepare(read_cell(cell), tta=parameters.tta)
        except ImageError as error:
            return refusal(error)
        with self._turn:
            outputs = self._classifier.run(prepared.batch)
        if parameters.question is None:
            return answer(self._classifier.predict(prepared, outputs))
        return answer(self._classifier.explain(prepared, outputs, parameters.question))


mlflow.models.set_model(SkinLesionModel())
