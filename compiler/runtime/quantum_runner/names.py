"""How files, records and quanta are called."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterable, Mapping

LONGEST_NAME = 200
_UNSAFE = re.compile(rb"[^A-Za-z0-9._]")


def dataset_name(dataset_type: str, values: Iterable[object], existing_id: str | None = None) -> str:
    """The file name under which a dataset travels: type, data-id values and, if it exists already, its id.

    Parts are joined by ``-``; in each, every byte outside ``[A-Za-z0-9._]`` is written ``+hh``, so that two
    datasets never share a name. `existing_id` is the 32 hexadecimal digits of the id of a dataset that was there
    before the workflow: two calibrations may share a data id.

    >>> dataset_name("postISRCCD", ["MockCam", 3, 1000])
    'postISRCCD-MockCam-3-1000'
    >>> dataset_name("raw", ["My Cam", 3], "01a2041d608b7158b6e51ec7b5045f22")
    'raw-My+20Cam-3+u1ec7b5045f22'
    """
    name = "-".join(_escape(str(part)) for part in (dataset_type, *values))
    if existing_id is not None:
        name += "+u" + existing_id[-12:]
    if len(name) > LONGEST_NAME:
        name = name[:120] + "+h" + hashlib.sha256(name.encode()).hexdigest()[:32]
    return name


def record_name(label: str, values: Iterable[object]) -> str:
    """The file name of a quantum's record."""
    return dataset_name(label + "_record", values)


def quantum_text(label: str, data_id: Mapping[str, object]) -> str:
    """A quantum's name for people.

    >>> quantum_text("isr", {"exposure": 1000, "detector": 3})
    'isr{exposure: 1000, detector: 3}'
    """
    return f"{label}{{{', '.join(f'{k}: {v}' for k, v in data_id.items())}}}"


@functools.lru_cache(maxsize=65536)
def _escape(part: str) -> str:
    return _UNSAFE.sub(lambda found: b"+%02x" % found[0][0], part.encode()).decode()
