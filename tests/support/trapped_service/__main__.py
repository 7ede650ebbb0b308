"""python -m tests.support.trapped_service: the service with the decoder of tests.support.traps."""

from functools import partial

from service import components
from service.__main__ import main
from service.serving.decoders import DecoderPool
from tests.support import traps

if __name__ == "__main__":
    components.open_decoder = partial(DecoderPool, prepare=traps.prepare)
    main()
