"""python -m tests.support.two_devices PRECISION: three steps of one variable on two devices, as a line of JSON.

Only the second device has a gradient; that of the second step is infinite. A process of its own, because TensorFlow
divides the processor before anything else is done.
"""

import json
import sys

import keras
import numpy as np
import tensorflow as tf

from tests.support.configs import PLATEAU
from training.fitting.optimiser import build_optimiser

GRADIENTS = ([0.3, 0.4, 0.0], [np.inf, 0.0, 0.0], [0.0, 0.6, 0.8])


def main() -> None:
    (processor,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        variable = keras.Variable(np.ones(3, np.float32))
        optimiser = build_optimiser(PLATEAU.model_copy(update={"precision": sys.argv[1]}), 0.1)
        optimiser.build([variable])

    @tf.function
    def step(gradients: tf.Tensor) -> None:
        def replica() -> None:
            place = tf.distribute.get_replica_context().replica_id_in_sync_group
            optimiser.apply_gradients([(gradients[place], variable)])

        strategy.run(replica)

    scale = getattr(optimiser, "initial_scale", 1.0)
    steps = []
    for gradient in GRADIENTS:
        step(tf.constant([[0.0] * 3, gradient], tf.float32) * scale)
        copies = strategy.experimental_local_results(variable.value)
        steps.append([np.asarray(copy).tolist() for copy in copies])
        scale = float(np.asarray(getattr(optimiser, "dynamic_scale", 1.0)))
    print(json.dumps({"steps": steps, "scale": scale, "applied": int(np.asarray(optimiser.iterations))}))


if __name__ == "__main__":
    main()
