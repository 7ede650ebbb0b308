"""python -m tests.support.patient_service: the service, but its port opens only when the alias was read.

Usually it opens it after 20 seconds at the latest, and on a busy machine that may be before there is a model.
"""

from service.__main__ import main
from service.serving import model_manager
from tests.support.waiting import LIMIT_S

if __name__ == "__main__":
    model_manager.FIRST_LOOK_S = LIMIT_S
    main()
