"""The Open Inference Protocol V2 over REST, for clients of KServe and Triton: routes and tensors. No inference."""
