"""Ray Serve: `python rayserve.py PORT`, until it is terminated."""

import os
import signal
import sys
import threading
from pathlib import Path

import ray
from model import answer, decode, load
from ray import serve
from starlette.requests import Request


@serve.deployment
class Classifier:
    """One image a request, as in Ray Serve's documentation."""

    def __init__(self) -> None:
        self.run = load()

    async def __call__(self, request: Request) -> dict[str, float]:
        form = await request.form()
        return answer(self.run(decode(await form["image"].read()))[0])


if __name__ == "__main__":
    done = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: done.set())
    here = {"env_vars": {name: os.environ[name] for name in ("PYTHONPATH", "PEER_BUNDLE", "PEER_GRAPH")}}
    # Only this machine, no dashboard, and its files in this folder, which goes when the benchmark has ended.
    ray.init(
        _node_ip_address="127.0.0.1",
        _temp_dir=str(Path.cwd()),
        include_dashboard=False,
        object_store_memory=200_000_000,
        runtime_env=here,
    )
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Classifier.bind(), route_prefix="/")
    done.wait()
    serve.shutdown()
    ray.shutdown()
