"""FastAPI, model.predict and a GradientTape: what one writes first. `python naive.py PORT`."""

import io
import sys

import numpy as np
import tensorflow as tf
import uvicorn
from fastapi import FastAPI, Response, UploadFile
from model import BUNDLE, MANIFEST, answer, decode, load
from PIL import Image

app = FastAPI()
run = load()
network = tf.keras.models.load_model(BUNDLE / MANIFEST["graphs"]["keras"]["path"], compile=False)


@app.post("/predict")
def predict(image: UploadFile) -> dict[str, float]:
    """Probabilities by class."""
    return answer(run(decode(image.file.read()))[0])


@app.post("/explain")
def explain(image: UploadFile) -> Response:
    """Grad-CAM of the predicted class as a PNG."""
    with tf.GradientTape() as tape:
        found = network(decode(image.file.read()), training=False)
        score = tf.reduce_max(found["logits"], axis=1)
    gradient = tape.gradient(score, found["features"])
    heat = tf.nn.relu(tf.reduce_sum(tf.reduce_mean(gradient, axis=(1, 2), keepdims=True) * found["features"], axis=-1))
    scaled = (255 * heat[0] / (tf.reduce_max(heat) + 1e-9)).numpy().astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(scaled).resize((600, 450)).save(buffer, "PNG")
    return Response(buffer.getvalue(), media_type="image/png")


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
