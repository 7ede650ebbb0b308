"""A process with two decoders, of which one hangs and one spins. Says when both are busy, and never ends."""

import asyncio

from inference.imaging.prepared_picture import Preparation
from inference.imaging.preprocessing import Preprocessing
from service.observability.metrics import Metrics
from service.serving.decoders import DecoderPool
from service.settings import Settings
from tests.support import traps


async def main() -> None:
    pool = DecoderPool(Settings(decoders=2, decode_timeout_s=1000), Metrics().decoders, traps.prepare)
    await pool.start()
    preparation = Preparation(Preprocessing(size=32, fit="squash"), side=0)
    async with asyncio.TaskGroup() as calls:
        for data in (traps.HANG, traps.SPIN):
            calls.create_task(pool.prepare(data, preparation))
        while not pool._free.empty():
            await asyncio.sleep(0.01)
        print("busy", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
