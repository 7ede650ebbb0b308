"""The served model: loading, swapping, scheduling, batching, shadow comparison. Knows no HTTP."""
