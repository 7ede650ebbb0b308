"""What `mlflow models serve` serves: `python mlflow_models.py keras|pyfunc FOLDER` saves it there.

`keras` is MLflow's Keras flavour, which is asked with an image as JSON numbers; `pyfunc` a model that takes the image
file in base64.
"""

import base64
import shutil
import sys

import mlflow
import numpy as np
from mlflow.models import ModelSignature
from mlflow.types.schema import ColSpec, Schema, TensorSpec
from model import SIZE, decode, load, load_keras


class FromBase64(mlflow.pyfunc.PythonModel):
    """A column of image files in base64 -> probabilities."""

    def load_context(self, context):
        self.run = load()

    def predict(self, context, model_input, params=None):
        images = [decode(base64.b64decode(cell)) for cell in model_input["image"]]
        return self.run(np.concatenate(images))


if __name__ == "__main__":
    kind, folder = sys.argv[1:]
    shutil.rmtree(folder, ignore_errors=True)
    if kind == "keras":
        pixels = Schema([TensorSpec(np.dtype(np.uint8), (-1, SIZE, SIZE, 3))])
        probabilities = Schema([TensorSpec(np.dtype(np.float32), (-1, 7))])
        signature = ModelSignature(pixels, probabilities)
        mlflow.keras.save_model(load_keras(), folder, signature=signature, pip_requirements=["tensorflow-cpu"])
    else:
        mlflow.pyfunc.save_model(
            folder,
            python_model=FromBase64(),
            signature=ModelSignature(Schema([ColSpec("string", "image")])),
            pip_requirements=["mlflow"],
        )
