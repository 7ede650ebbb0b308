"""Precisions below fp32: quantisation to int8, computing in bfloat16, and the gate that both must pass."""
