"""A bundle: its folder, its manifest and the values that it holds. Graphs are executed in `runtimes`."""
