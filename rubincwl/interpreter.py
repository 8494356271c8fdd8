"""Says whether a Python interpreter can carry this project; also a script that any Python 3 can run.

    python3 rubincwl/interpreter.py      exit 0 if this interpreter will do, else 1 and a sentence
"""

from __future__ import annotations

import sys


def complaint() -> str | None:
    """Why this interpreter will not do, as a sentence, or None."""
    if not (3, 11) <= sys.version_info[:2] < (3, 13):
        return f"Python {_version()} is not 3.11 or 3.12"
    if not zip_members_stay_apart():
        return (
            f"Python {_version()} has a faulty zipfile module: with two members of an archive open, seeking in one "
            "reads from the other, and the Rubin middleware cannot read quantum graphs (.qg) with it; "
            "3.12.1 and 3.13.0 are known to be faulty, 3.11.7 to be right"
        )
    return None


def zip_members_stay_apart() -> bool:
    """Whether seeking in one stored member of a zip archive is right while another is open.

    The releases named in `complaint` seek relative to where the shared file happens to stand.

    >>> zip_members_stay_apart()
    True
    """
    import io
    import zipfile

    content = bytes(range(256)) * 200
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("one", content)
        out.writestr("two", content)
    with zipfile.ZipFile(archive) as both, both.open("one") as one, both.open("two") as two:
        one.seek(5000)
        two.read(1)
        one.seek(20000)
        return one.read(1) == content[20000:20001]


def _version() -> str:
    return ".".join(str(part) for part in sys.version_info[:3])


def _environment_complaint() -> str | None:
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        return f"Python {_version()} cannot make virtual environments (Debian, Ubuntu: apt-get install python3-venv)"
    return None


if __name__ == "__main__":
    reason = complaint() or _environment_complaint()
    if reason:
        sys.stderr.write(f"{sys.executable}: {reason}\n")
        sys.exit(1)
