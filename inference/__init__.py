"""Image bytes in, prediction and explanation out; knows no HTTP and no training."""
