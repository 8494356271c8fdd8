"""Names and arguments in the forms that survive Pegasus.

What was read in Pegasus 5.1's source and is answered here:

- Arguments are joined by spaces and land verbatim in a bash script (PegasusLite); with a container that line stands in
  an unquoted here-document, so that ``$``, backquote and backslash are expanded once more before the script runs; and
  above 4,000 characters they go through a file that is split at white space, where quotes mean nothing.
- ``${NAME}`` anywhere in a workflow is replaced by the planner from its own environment.
- A job's id is a word of ``[A-Za-z0-9_-]`` (its schema). DAGMan's node, and every file named by it, is called
  ``<transformation>_<id>`` after ``.``, ``+`` and ``=`` became ``_``; two that then agree are one, in silence.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence

LONGEST_ARGUMENTS = 4000
"""Characters; Pegasus' property ``pegasus.gridstart.invoke.length``."""
LONGEST_NODE = 200
"""Characters of a node's name: files are called by it with suffixes of up to 30, and a name has 255 bytes."""

_REFUSED = re.compile(r"[$`\\\x00-\x1f\x7f]")
_NOT_IN_ID = re.compile(r"[^A-Za-z0-9_-]")
_DAGMAN = re.compile(r"[.+=]")
_HEX = 10


def quote_arguments(words: Sequence[str]) -> list[str]:
    """The words as bash and then the program shall see them; raises `ValueError` for what cannot get through.

    >>> quote_arguments(["a b", "it's", "*", "é", ""])
    ["'a b'", '\\'it\\'"\\'"\\'s\\'', "'*'", "'é'", "''"]
    """
    for word in words:
        if found := _REFUSED.search(word):
            raise ValueError(f"{found[0]!r} in {word!r} would not reach the program as it is")
    quoted = [shlex.quote(word) for word in words]
    if (length := len(" ".join(quoted))) > LONGEST_ARGUMENTS:
        raise ValueError(f"they are {length} characters long; beyond {LONGEST_ARGUMENTS} Pegasus splits them at spaces")
    return quoted


def node_name(transformation: str, id: str) -> str:
    """What DAGMan's node will be called."""
    return _DAGMAN.sub("_", f"{transformation}_{id}")


def job_ids(jobs: Iterable[tuple[str, str]]) -> list[str]:
    """Ids for jobs given as (transformation, our id): readable, of the letters allowed, distinct and not too long.

    >>> job_ids([("isr", "isr-A+20b-1"), ("isr", "isr-A_20b-1"), ("isr", "isr-A-2")])
    ['isr-A_20b-1-h0b6c5b44ec', 'isr-A_20b-1-h727dcb4a69', 'isr-A-2']
    """
    named = [(transformation, id, _NOT_IN_ID.sub("_", id)) for transformation, id in jobs]
    often = Counter(plain for _, _, plain in named)
    out = []
    for transformation, id, plain in named:
        room = LONGEST_NODE - len(transformation) - 1
        if often[plain] > 1 or len(plain) > room:
            digits = hashlib.sha256(id.encode()).hexdigest()[:_HEX]
            plain = f"{plain[: room - _HEX - 2]}-h{digits}"
        out.append(plain)
    return out


def workflow_name(name: str) -> str:
    """A workflow's name in the letters that files may have.

    >>> workflow_name("u/me/dark 1")
    'u_me_dark_1'
    """
    return _NOT_IN_ID.sub("_", name) or "workflow"
