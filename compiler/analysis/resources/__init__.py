"""What every quantum asks for, by rules, profiles, bps settings and records, with the reason of each number."""

from compiler.analysis.resources.machines import check_fits, fitting
from compiler.analysis.resources.profiles import known_profiles
from compiler.analysis.resources.reasons import FILE, Kept, Reason, Reasons, write_requests
from compiler.analysis.resources.records import Records, read_records
from compiler.analysis.resources.resolve import init_request, make_requests
from compiler.analysis.resources.rules import Written
from compiler.analysis.resources.written import written_rules

__all__ = [
    "FILE",
    "Kept",
    "Reason",
    "Reasons",
    "Records",
    "Written",
    "check_fits",
    "fitting",
    "init_request",
    "known_profiles",
    "make_requests",
    "read_records",
    "write_requests",
    "written_rules",
]
