"""Values without I/O: classes, risk, probabilities, names of graphs, a registered version. No images, no files."""
