"""Names of the graphs that a bundle may hold, and of their precisions."""

from typing import Final, Literal

Precision = Literal["fp32", "bf16", "int8"]
RequestedPrecision = Literal["auto", Precision]
GraphName = Literal["openvino-fp32", "openvino-bf16", "openvino-int8", "keras"]

OPENVINO_FP32: Final = "openvino-fp32"
# No graph of its own: the fp32 graph, computed in bfloat16.
OPENVINO_BF16: Final = "openvino-bf16"
OPENVINO_INT8: Final = "openvino-int8"
KERAS: Final = "keras"
