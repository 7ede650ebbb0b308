"""python -m benchmarks.harness.streamed_service: the service with streams for graphs of every size."""

import argparse

from inference.runtimes import openvino
from service import __main__ as command

if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    openvino.MAX_STREAM_BYTES = 10**12
    command.main()
