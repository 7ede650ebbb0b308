"""python -m benchmarks.harness.pinned_service CORE: the service, with all its processes on one core."""

import argparse
import os

from service import __main__ as command

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("core", type=int, metavar="CORE")
    os.sched_setaffinity(0, {parser.parse_args().core})
    command.main()
