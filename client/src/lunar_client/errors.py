"""What can go wrong, by cause."""

from lunar_client.replies import Problem


class LunarError(Exception):
    """Base of all errors of this client."""


class Unreachable(LunarError):
    """The service does not answer, or something else answers at its address."""


class Refused(LunarError):
    """The service refused the request; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.status} {problem.title}" + (f": {problem.detail}" if problem.detail else ""))
        self.problem = problem
