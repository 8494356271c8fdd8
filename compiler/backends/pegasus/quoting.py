"""Names and arguments in the forms that survive Pegasus.

What was read in Pegasus 5.1's source and is answered here:

- Arguments are joined by spaces and land verbatim in a bash script (PegasusLite); with a container that line stands in
  an unquoted here-document, so that ``$``, backquote and backslash are expanded once more before the script runs.
  The file, split at white space, that takes arguments above 4,000 characters is switched off under PegasusLite.
- ``${NAME}`` anywhere in a workflow is replaced by the planner from its own environment.
- A job's id is a word of ``[A-Za-z0-9_-]`` (its schema). DAGMan's node, and every file named by it, is called
  ``<transformation>_<id>`` after ``.``, ``+`` and ``=`` became ``_``; two that then agree are one, in silence.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections import Counter
from collections.abc import Sequence

BOTH_QUOTES = """'\\"'\\"'"""
"""How a word with both kinds of quotes shows in JSON."""
LONGEST_ARGUMENTS = 100_000
"""Characters. Linux takes 128 KiB a word and 2 MiB in all, of which kickstart's and the environment are part."""
LONGEST_NODE = 200
"""Characters of a node's name: files are called by it with suffixes of up to 30, and a name has 255 bytes."""
LONGEST_NODE_ALLOWED = 225

_REFUSED = re.compile(r"[$`\\\x00-\x1f\x7f\ud800-\udfff]")
_NOT_IN_ID = re.compile(r"[^A-Za-z0-9_\n-]")
_DAGMAN = re.compile(r"[.+=]")
_HEX = 10
_LONGEST_NAME = 255
FILE_NAME = re.compile(rf"[A-Za-z0-9._+-]{{1,{_LONGEST_NAME}}}")
_NAME_LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-\n"
_CHUNK = 1 << 16


def quote_arguments(words: Sequence[str]) -> list[str]:
    """The words as bash and then the program shall see them; raises `ValueError` for what cannot get through.

    HTCondor, which takes them where PegasusLite does not, reads the same, but for a word with both kinds of quotes.

    >>> print(*quote_arguments(["a b", "it's", "*", "é", ""]))
    'a b' "it's" '*' 'é' ''
    """
    for word in words:
        if found := _REFUSED.search(word):
            raise ValueError(f"{found[0]!r} in {word!r} would not reach the program as it is")
    quoted = [f'"{word}"' if "'" in word and '"' not in word else shlex.quote(word) for word in words]
    if (length := len(" ".join(quoted))) > LONGEST_ARGUMENTS:
        raise ValueError(f"they are {length} characters long; {LONGEST_ARGUMENTS} are taken")
    return quoted


def node_name(transformation: str, id: str) -> str:
    """What DAGMan's node will be called."""
    return _DAGMAN.sub("_", f"{transformation}_{id}")


def job_ids(transformations: Sequence[str], ids: Sequence[str]) -> list[str]:
    """Ids for jobs of ours: readable, of the letters allowed, distinct and not too long.

    >>> job_ids(["isr"] * 3, ["isr-A+20b-1", "isr-A_20b-1", "isr-A-2"])
    ['isr-A_20b-1-h0b6c5b44ec', 'isr-A_20b-1-h727dcb4a69', 'isr-A-2']
    """
    plain = _NOT_IN_ID.sub("_", "\n".join(ids)).split("\n") if ids else []
    room = LONGEST_NODE - max(map(len, set(transformations)), default=0) - 1
    often = Counter(plain) if len(set(plain)) < len(plain) else Counter()
    for place in [n for n, id in enumerate(plain) if len(id) > room or often[id] > 1]:
        digits = hashlib.sha256(ids[place].encode()).hexdigest()[:_HEX]
        plain[place] = f"{plain[place][: room - _HEX - 2]}-h{digits}"
    return plain


def workflow_name(name: str) -> str:
    """A workflow's name in the letters that files may have.

    >>> workflow_name("u/me/dark 1")
    'u_me_dark_1'
    """
    return _NOT_IN_ID.sub("_", name.replace("\n", "_")) or "workflow"


def strange_names(names: Sequence[str]) -> list[int]:
    """The places of those that no file may have: letters that Pegasus' tools trip over, too many of them, or none."""
    strange = []
    for first in range(0, len(names), _CHUNK):
        chunk = names[first : first + _CHUNK]
        text = "\n".join(chunk)
        if (
            text.encode(errors="replace").translate(None, _NAME_LETTERS)
            or text.count("\n") >= len(chunk)
            or "" in chunk
            or max(map(len, chunk)) > _LONGEST_NAME
        ):
            strange += [first + place for place, name in enumerate(chunk) if not FILE_NAME.fullmatch(name)]
    return strange


def json_string(text: str) -> str:
    """The text as JSON, in UTF-8 as it is.

    >>> print(json_string("isr{physical_filter: 'r'}"), json_string('"'))
    "isr{physical_filter: 'r'}" "\\""
    """
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return json.dumps(text, ensure_ascii=False)
