"""Says whether a Python interpreter can carry this project; also a script that any Python from 3.7 on can run.

python3 -m rubincwl.interpreter      exit 0 if this interpreter will do, else 1 and a sentence
"""

from __future__ import annotations

import sys


def complaint() -> str | None:
    """Why this interpreter will not do, as a sentence, or None."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    if not (3, 11) <= sys.version_info[:2] < (3, 13):
        return f"Python {version} is not 3.11 or 3.12"
    from compiler.runtime.quantum_runner import zipfile_is_sound

    if not zipfile_is_sound():
        return (
            f"Python {version} has a faulty zipfile module: with two members of an archive open, seeking in one "
            "reads from the other, and the Rubin middleware cannot read quantum graphs (.qg) with it; "
            "3.12.1 and 3.13.0 are known to be faulty, 3.11.7 to be right"
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        return f"Python {version} cannot make virtual environments (Debian, Ubuntu: apt-get install python3-venv)"
    return None


if __name__ == "__main__":
    reason = complaint()
    if reason:
        sys.stderr.write(f"{sys.executable}: {reason}\n")
        sys.exit(1)
