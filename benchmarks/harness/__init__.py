"""Shared parts of the benchmarks: measuring, bundles, OpenVINO alone as the baseline, clients. No benchmark is here."""
