"""The benchmarks whose numbers docs/performance.md publishes, in the order in which they run."""

MODULES = {
    "models": "benchmarks.harness.bundles",
    "layers": "benchmarks.layers",
    "runtimes": "benchmarks.runtimes",
    "drawing": "benchmarks.drawing",
    "explanations": "benchmarks.explanations",
    "startup": "benchmarks.startup",
    "http": "benchmarks.http",
    "precisions": "benchmarks.precisions",
    "batching": "benchmarks.batching",
    "peers": "benchmarks.peers",
}
