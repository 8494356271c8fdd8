"""With what a call ends."""

from __future__ import annotations

USAGE, TASK_FAILED, INPUT_MISSING, OUTPUT_MISSING, ENVIRONMENT, GRAPH, SIGNAL = 2, 10, 11, 12, 13, 14, 128
EXIT_CODES = {
    0: "every quantum succeeded; absent outputs are explained by its caveats",
    USAGE: "wrong command line",
    TASK_FAILED: "the task failed; the record keeps what the middleware exited with",
    INPUT_MISSING: "a staged input is missing or has another size than its record",
    OUTPUT_MISSING: "an output is missing and the quantum's caveats do not explain it",
    ENVIRONMENT: "the science environment or this Python cannot run it",
    GRAPH: "the graph cannot be read or does not hold the quantum",
    SIGNAL: "128 + n: ended by signal n",
}


class StopError(Exception):
    """Ends the call with an exit code and a sentence before anything has been run."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
