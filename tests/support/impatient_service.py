"""python -m tests.support.impatient_service: the service, whose clients have a second where they usually have ten.

What it does about slow clients can so be seen without a long wait.
"""

from service.__main__ import main
from service.http import connections, upload_bounds

if __name__ == "__main__":
    connections.HEAD_S = connections.READ_WINDOW_S = upload_bounds.GRACE_S = upload_bounds.STALL_S = 1.0
    connections.LOG_EVERY_S = 0.0
    main()
