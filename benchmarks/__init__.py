"""One script for each question about speed or quality; each prints one JSON line."""

import service  # noqa: F401 - measured as it is served: with its number of BLAS threads
