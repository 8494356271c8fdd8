"""Where files are that exist before the workflow: each logical name with one or several places, size and checksum."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from compiler.backends.pegasus.layout import OUT
from compiler.backends.pegasus.plain import plain
from compiler.backends.pegasus.quoting import json_string
from compiler.backends.pegasus.settings import Settings
from compiler.backends.pegasus.workflow import Abstract
from compiler.diagnostics import Findings
from providers.base import COMPUTE, LOCAL, STAGING, Folder, Place, Placeholder, Problem, Provider, Web

INPUTS_MARK = Placeholder(
    "@INPUTS_AT@", "the URL of the repository's files, for instance s3://bucket/prefix", "inputs_at"
)
_PLAIN_INPUT = re.compile(r"inputs(?:/[A-Za-z0-9_+=-][A-Za-z0-9._+=-]*)+")
"""Locations whose letters every store takes as they are."""

Pair = tuple[str, str]
"""A site and a physical file name."""


def url_of(place: Place) -> str:
    """A place as pegasus-transfer names it."""
    if isinstance(place, Folder):
        return f"file://{place.path}"
    if isinstance(place, Web):
        return place.url
    account = f"{place.account}/" if place.account else ""
    return f"{place.scheme}://{account}{place.bucket}" + (f"/{place.key}" if place.key else "")


@dataclass(frozen=True)
class Known:
    """What somebody has found out of existing files beyond where `Settings.inputs_at` puts them.

    Keys are locations, as `compiler.jobs.Files.locations` spells them: ``inputs/raw/all/raw_1_0.fits``. What is not
    there is not known.
    """

    urls: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Where copies of the file are, as the provider takes them (``s3://bucket/key``), the one to be preferred first.
    They stand in place of what `Settings.inputs_at` says."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Bytes."""
    sha256: Mapping[str, str] = field(default_factory=dict)
    """64 hexadecimal digits, of those that can be trusted: never an ETag."""


NOTHING = Known()


@dataclass
class Replicas:
    """Where the files are that exist before the workflow."""

    places: list[tuple[Pair, ...]]
    """Shape (existing files,): where each is, the best first; none for one that jobs cannot reach, which is told, and
    for an executable."""
    sizes: Mapping[int, int] = field(default_factory=dict)
    """Bytes, by number of the file."""
    sha256: Mapping[int, str] = field(default_factory=dict)

    def lines(self, names: Sequence[str], files: Iterable[int]) -> Iterator[str]:
        """The replica catalog's entries for some of the files as Pegasus.api writes them, one a line."""
        for file in files:
            if places := self.places[file]:
                pfns = ", ".join(f'{{"site": "{site}", "pfn": {json_string(pfn)}}}' for site, pfn in places)
                yield f'{{"lfn": {json_string(names[file])}, "pfns": [{pfns}]{self._told(file)}}}'

    def _told(self, file: int) -> str:
        # The planner reads no number in metadata, though its schema allows one.
        size = f', "metadata": {{"size": "{self.sizes[file]}"}}' if file in self.sizes else ""
        return (f', "checksum": {{"sha256": "{self.sha256[file]}"}}' if file in self.sha256 else "") + size


def replicas_of(
    plan: Abstract, provider: Provider, settings: Settings, findings: Findings, known: Known = NOTHING
) -> Replicas:
    """Where every file that exists before the workflow is; the runner is no file but a program."""
    locations = plan.jobs.files.locations
    executables = {program.file for program in plan.programs}
    finder = _Finder(provider, settings, findings)
    found = Replicas(
        [
            () if number in executables else finder.find(location, known.urls.get(location))
            for number, location in enumerate(locations)
        ]
    )
    if known.sizes or known.sha256:
        numbers = {location: number for number, location in enumerate(locations)}
        found.sizes = {numbers[each]: size for each, size in known.sizes.items() if each in numbers}
        found.sha256 = {numbers[each]: digest for each, digest in known.sha256.items() if each in numbers}
    return found


def tell_unreachable(provider: Provider, settings: Settings, findings: Findings) -> None:
    """Tell each folder of ``inputs_at`` from which jobs cannot fetch."""
    _Finder(provider, settings, findings).folders()


class _Finder:
    """Turns locations into places, and tells each problem once."""

    def __init__(self, provider: Provider, settings: Settings, findings: Findings) -> None:
        self._provider = provider
        self._findings = findings
        self._reported: set[str] = set()
        self._bases = settings.input_bases()
        self._numbered = tuple(enumerate(self._bases))
        self.folders = cache(self._folders)
        """The folders below which inputs are; none if jobs cannot reach one of them, which is told."""

    def find(self, location: str, urls: Sequence[str] | None) -> tuple[Pair, ...]:
        """The places of one file; none if there is a problem with any."""
        if urls is not None:
            return self._taken([self._replica(url, url) for url in urls])
        if location.startswith("runtime/"):
            return ((LOCAL, f"file://{OUT}/{unquote(location)}"),)
        if not location.startswith("inputs/"):
            base = next((base for base in self._bases if location.startswith(base)), location)
            return self._taken([self._replica(location, base)])
        if not self._bases:
            return ((STAGING, f"{INPUTS_MARK.mark}/{unquote(location.removeprefix('inputs/'))}"),)
        if not (folders := self.folders()):
            return ()
        if _PLAIN_INPUT.fullmatch(location):
            return tuple([(site, url + location[6:]) for site, url in folders])
        path = unquote(location.removeprefix("inputs/"))
        return self._taken([self._given(number, f"{base.rstrip('/')}/{path}") for number, base in self._numbered])

    def _folders(self) -> tuple[Pair, ...]:
        return self._taken([self._given(number, base) for number, base in self._numbered])

    def _given(self, number: int, url: str) -> Pair | Problem:
        """A folder of inputs, or a file below; what is wrong is to be blamed on the folder's own line."""
        found = self._replica(url, self._bases[number])
        return replace(found, setting=f"inputs_at.{number}") if isinstance(found, Problem) else found

    def _replica(self, url: str, named: str) -> Pair | Problem:
        """`named`: the part of it that the user gave."""
        replica = self._provider.replica(url)
        on_disk = self._provider.handover == "object-store" and urlsplit(named).scheme in ("", "file")
        # A folder that workers see themselves is as good as a store.
        if on_disk and (isinstance(replica, Problem) or replica.site != COMPUTE):
            return _through_the_submit_host(named)
        return replica if isinstance(replica, Problem) else (replica.site, url_of(replica.place))

    def _taken(self, found: Sequence[Pair | Problem]) -> tuple[Pair, ...]:
        for problem in _problems(found):
            if problem.message not in self._reported:
                self._reported.add(problem.message)
                self._findings.error(problem.code, problem.message, help=problem.help, setting=problem.setting)
        return () if _problems(found) else tuple(each for each in found if not isinstance(each, Problem))


def _problems(found: Iterable[Pair | Problem]) -> list[Problem]:
    return [each for each in found if isinstance(each, Problem)]


def _through_the_submit_host(named: str) -> Problem:
    return Problem(
        "inputs-on-submit-host",
        f"inputs at {named!r} would all pass through the submit host",
        "copy them with 'rubincwl upload GRAPH --repo REPO --to URL', then say --inputs-at URL",
        "inputs_at",
    )


def write_replicas(path: Path, lines: Iterable[str]) -> None:
    """JSON, one line a file: a night's raws are many."""
    from Pegasus.api import ReplicaCatalog

    version = plain(ReplicaCatalog())["pegasus"]
    with path.open("w", encoding="utf-8", newline="\n", buffering=1 << 20) as stream:
        stream.write(f'{{"pegasus": {json.dumps(version)}, "replicas": [')
        separator = "\n"
        for line in lines:
            stream.write(separator + line)
            separator = ",\n"
        stream.write("\n]}\n")
