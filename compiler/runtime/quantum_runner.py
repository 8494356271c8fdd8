#!/usr/bin/env python3
"""Runs quanta of a Rubin quantum graph in an empty folder, with nothing shared.

It needs Python's standard library and, beside it, the science environment.
"""

from __future__ import annotations

import hashlib
import re

_UNSAFE = re.compile(rb"[^A-Za-z0-9._]")
_LONGEST = 200


def dataset_name(dataset_type: str, values, existing_id=None) -> str:
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
    if len(name) > _LONGEST:
        name = name[:120] + "+h" + hashlib.sha256(name.encode()).hexdigest()[:32]
    return name


def record_name(label: str, values) -> str:
    """The file name of a quantum's record."""
    return dataset_name(label + "_record", values)


def _escape(part: str) -> str:
    return _UNSAFE.sub(lambda found: b"+%02x" % found[0][0], part.encode()).decode()
