"""Proves, over what was written, that no payload passes the submit host when Pegasus runs it.

Payload is every input dataset, every intermediate and every result. What may start on the submit host is what the
compile made: the quantum runner, the graph or its shards, the butler configuration, and the documents of
sub-workflows. Shares no code with what writes the files.

How Pegasus 5.1 moves a file was read in its planner. With ``nonsharedfs`` a job itself fetches inputs and sends
outputs to the staging site. An input is fetched from where it is if ``pegasus.transfer.bypass.input.staging`` is set
and its URL is no ``file://`` of another site (``StageIn.bypassStaging``). Stage-out jobs run on the submit host and ask
the store for a copy where both ends are in it (``pegasus-s3 cp``, ``gsutil cp``). So every place has to be in a store,
and staging and results in the same one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from compiler.backends.pegasus.written import PlacedYaml, StagingOptions, properties_in, read_placed, staging_options
from compiler.diagnostics import Diagnostic, Span
from providers.base import Handover

FILE = "head-node.json"
"""The proof as it was at the compile; says for which way of handing over it was made."""
_STORES = ("s3", "s3s", "gs")
_WEB = ("http", "https")
_PLACEHOLDER = re.compile(r"@[A-Z][A-Z_]*@/")
_IMAGES = ("docker", "shub", "library", "oras", *_WEB, *_STORES)
_RUNTIME = "file://${RUBINCWL_OUT}/"
_OURS = re.compile(r"runtime/[^?]+|pegasus/part-\d+\.yml")
"""What starts on the submit host by design, below the output folder."""

_DEMANDED = {
    "pegasus.data.configuration": "nonsharedfs",
    "pegasus.transfer.bypass.input.staging": "true",
    "pegasus.integrity.checking": "none",
}
_CATALOGS = {
    "pegasus.catalog.site.file": "sites.yml",
    "pegasus.catalog.replica.file": "replicas.yml",
    "pegasus.catalog.transformation.file": "transformations.yml",
}
_SILENT = re.compile(
    r"pegasus\.(catalog\.(site|replica|transformation)(\.file)?|data\.(configuration|reuse\.scope)"
    r"|transfer\.(bypass\.input\.staging|threads|worker\.package\.(autodownload|strict))|integrity\.checking)"
)
"""Properties that are written, or looked at elsewhere."""
_MOVES = re.compile(
    r"(pegasus\.(catalog\.site|catalog\.replica|data|dir|gridstart|integrity|selector|transfer|mode)\b.*"
    r"|condor\..*transfer.*)"
)
"""Properties that could send files another way."""
_SITE_MOVES = re.compile(r"pegasus\.(data\.|auxillary|style|gridstart|nosymlink).*|condor\..*transfer.*")
"""Profiles of sites that could."""
_SUSPECT = re.compile(
    rb'"(data\.configuration|bypass|transfer_input_files|transfer_output_files|should_transfer_files|gridstart'
    rb'|replicaCatalog|siteCatalog|transformationCatalog)"'
)
"""What a workflow could say that sends files another way; our own says none of it."""
_RESULT = b'"stageOut":true'


class _Pfn(msgspec.Struct):
    site: str
    pfn: str


class _Entry(msgspec.Struct):
    lfn: str
    pfns: list[_Pfn]
    regex: bool = False


class _Recorded(msgspec.Struct):
    handover: Handover
    replicas: int
    unplaced: int
    outputs: int
    staging: str
    results: str
    starting: dict[str, int]


_decode = msgspec.json.Decoder(_Entry).decode


@dataclass
class HeadNodeProof:
    """What was looked at; it holds if there are no findings."""

    handover: Handover
    replicas: int = 0
    unplaced: int = 0
    """Of the replicas, those whose place is a placeholder, which plan.sh refuses."""
    outputs: int = 0
    """Files that jobs make and that are delivered."""
    staging: str = ""
    results: str = ""
    starting: dict[str, int] = field(default_factory=dict)
    """Bytes of what starts on the submit host by design, by its name below the output folder."""
    findings: list[Diagnostic] = field(default_factory=list)

    def said(self) -> str:
        """One sentence for people."""
        if self.handover == "submit-host":
            return "head node: every file passes the submit host, by design (condorio): exempt from the proof"
        if self.handover == "shared-folder":
            return (
                "head node: it links and copies within the shared folder, by design (sharedfs): exempt from the proof"
            )
        size = sum(self.starting.values())
        unplaced = f" ({self.unplaced:,} with a placeholder)" if self.unplaced else ""
        files = f"{self.replicas:,} replicas{unplaced}, {self.outputs:,} outputs"
        return (
            f"proved: no payload passes the submit host: {files}, "
            f"staging at {self.staging}; starting there by design: {_kinds(self.starting)}, {size:,} bytes"
        )

    def to_json(self) -> dict[str, Any]:
        """As it stands in a file: the same for the same input."""
        return {
            "handover": self.handover,
            "exempt": self.handover != "object-store",
            "replicas": self.replicas,
            "unplaced": self.unplaced,
            "outputs": self.outputs,
            "staging": self.staging,
            "results": self.results,
            "starting": dict(sorted(self.starting.items())),
        }


def prove_head_node(out: Path, handover: Handover | None = None, shown: Path | None = None) -> HeadNodeProof:
    """Look at the Pegasus files in the folder `out` (whose parent holds ``runtime/``).

    `handover` is what the target is meant to do; as the compile wrote it down where none is given. The proof is made
    for ``object-store``; the other two move files by the submit host's file systems by design, and say so. Every line
    that breaks it is a finding, in files of the folder `shown`, should `out` be there for a moment only.
    """
    proof = HeadNodeProof(handover or read_proof(out).handover)
    if proof.handover == "object-store":
        try:
            _Prover(out, proof, shown or out).prove()
        except FileNotFoundError as missing:
            place = Span(str((shown or out) / Path(missing.filename).name), 1, 1)
            proof.findings.append(Diagnostic("missing-file", "cannot be read: no such file", place, "compile again"))
    return proof


def write_proof(out: Path, proof: HeadNodeProof) -> None:
    """Into `FILE` of the folder `out`."""
    text = msgspec.json.format(msgspec.json.encode(proof.to_json()), indent=2)
    (out / FILE).write_bytes(text + b"\n")


def read_proof(out: Path) -> HeadNodeProof:
    """As the compile wrote it into the folder `out`; an empty one for an object store where it did not."""
    try:
        said = msgspec.json.decode((out / FILE).read_bytes(), type=_Recorded)
    except (OSError, msgspec.DecodeError):
        return HeadNodeProof("object-store")
    return HeadNodeProof(
        said.handover, said.replicas, said.unplaced, said.outputs, said.staging, said.results, said.starting
    )


def _kinds(starting: dict[str, int]) -> str:
    names = [name.removeprefix("runtime/") for name in starting]
    shards = [name for name in names if name.startswith("shards/")]
    named = ", ".join(sorted(name for name in names if name not in shards))
    return f"{named} and {len(shards):,} shards of the graph" if shards else named


class _Prover:
    def __init__(self, out: Path, proof: HeadNodeProof, shown: Path) -> None:
        self._out = out
        self._proof = proof
        self._shown = shown

    def prove(self) -> None:
        self._properties()
        options = staging_options(self._out / "plan.sh")
        self._options(options)
        self._sites(options.staging)
        self._transformations()
        for document, replicas in self._documents():
            self._workflow(document, options)
            self._replicas(replicas)

    def _broken(self, message: str, file: str, line: int) -> None:
        help = "payload would pass through the submit host: put it right and compile again"
        self._proof.findings.append(Diagnostic("head-node", message, Span(str(self._shown / file), line, 1), help))

    def _documents(self) -> Iterator[tuple[str, str]]:
        yield "workflow.yml", "replicas.yml"
        for path in sorted(self._out.glob("part-*.yml")):
            if not path.name.endswith(".replicas.yml"):
                yield path.name, f"{path.stem}.replicas.yml"

    def _properties(self) -> None:
        file = "pegasus.properties"
        found = properties_in(self._out / file)
        for key, value in _DEMANDED.items():
            said, line = found.get(key, ("", 1))
            if said != value:
                self._broken(f"{key} is {said!r}, not {value!r}", file, line)
        for key, name in _CATALOGS.items():
            said, line = found.get(key, ("", 1))
            if said.removeprefix("resolved/") != name:
                self._broken(f"{key} is {said!r}, not {name!r}, which was looked at", file, line)
        for key, (value, line) in found.items():
            if _MOVES.fullmatch(key) and not _SILENT.fullmatch(key):
                self._broken(f"{key} = {value!r} may send files another way", file, line)

    def _options(self, options: StagingOptions) -> None:
        if not options.staging:
            self._broken("no --staging-site is given", "plan.sh", options.line)
        if options.results != options.staging:
            message = f"results go to {options.results!r}, files are staged at {options.staging!r}"
            line = options.results_line if options.staging == options.variable else options.line
            self._broken(f"{message}: a copy between two sites", "plan.sh", line)
        for option, line in options.others:
            self._broken(f"the option {option} may send files another way", "plan.sh", line)

    def _sites(self, staging: str) -> None:
        catalog = read_placed(self._out / "sites.yml")
        sites = {site.at("name").value: site for site in catalog.at("sites").items()}
        if staging not in sites:
            self._broken(f"the staging site {staging!r} is in no catalog", "sites.yml", 1)
            return
        stores = set()
        for kind, url in self._servers(sites[staging]):
            parts = urlsplit(url.value)
            # Copies are made by one client with one account; Google's has no account in its URLs.
            stores.add((parts.scheme, parts.netloc if parts.scheme != "gs" else ""))
            if parts.scheme not in _STORES:
                self._broken(f"files are staged at {url.value!r}, which is no object store", "sites.yml", url.line)
            if kind == "sharedScratch":
                self._proof.staging = url.value
            if kind == "localStorage":
                self._proof.results = url.value
        line = sites[staging].line
        if len(stores) > 1:
            self._broken("staging and results are in two stores, of which none copies to the other", "sites.yml", line)
        for kind, place in (("sharedScratch", self._proof.staging), ("localStorage", self._proof.results)):
            if not place:
                self._broken(f"the staging site has no {kind}", "sites.yml", line)
        for name, site in sites.items():
            self._site_profiles(name, site)

    def _servers(self, site: PlacedYaml) -> Iterator[tuple[str, PlacedYaml]]:
        for directory in site.at("directories").items():
            for server in directory.at("fileServers").items():
                yield directory.at("type").value, server.at("url")

    def _site_profiles(self, name: str, site: PlacedYaml) -> None:
        for namespace, key, value in site.profiles():
            full = f"{namespace}.{key}"
            usual = full == "pegasus.style" and value.value in ("condor", "glite")
            if not usual and _SITE_MOVES.fullmatch(full):
                message = f"profile {full} = {value.value!r} of the site {name} may send files another way"
                self._broken(message, "sites.yml", value.line)

    def _transformations(self) -> None:
        file = "transformations.yml"
        catalog = read_placed(self._out / file)
        for container in catalog.at("containers").items():
            image, bypass = container.at("image"), container.at("bypass")
            if urlsplit(image.value).scheme not in _IMAGES:
                self._broken(f"the container image {image.value!r} is on the submit host", file, image.line)
            if bypass.value != "true":
                self._broken("the container image is staged by the submit host", file, bypass.line or container.line)
        for transformation in catalog.at("transformations").items():
            for site in transformation.at("sites").items():
                pfn, stageable = site.at("pfn"), site.at("type").value == "stageable"
                if stageable and not self._starts_here(pfn.value):
                    self._broken(f"the program {pfn.value!r} is staged from the submit host", file, pfn.line)

    def _replicas(self, file: str) -> None:
        proof = self._proof
        with (self._out / file).open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.startswith(b'{"lfn"'):
                    if b'"pfn' in line:
                        self._broken("replicas stand where they cannot be looked at", file, number)
                    continue
                try:
                    entry = _decode(line.rstrip().removesuffix(b","))
                except msgspec.DecodeError as reason:
                    self._broken(f"a replica cannot be read: {reason}", file, number)
                    continue
                proof.replicas += 1
                if entry.regex:
                    self._broken(f"{entry.lfn!r} stands for files that are not known yet", file, number)
                for each in entry.pfns:
                    if not self._reachable(each):
                        self._broken(f"{entry.lfn!r} would come from {each.pfn!r} on {each.site!r}", file, number)

    def _reachable(self, replica: _Pfn) -> bool:
        """Whether jobs fetch it themselves, or it is what starts on the submit host."""
        if _is_remote(replica.pfn):
            return True
        if _PLACEHOLDER.match(replica.pfn):
            self._proof.unplaced += 1
            return True
        if replica.site == "local":
            return self._starts_here(replica.pfn)
        # A file that the workers see: no job fetches it from anywhere else.
        return replica.site == "compute" and replica.pfn.startswith(("file:///", "/"))

    def _starts_here(self, pfn: str) -> bool:
        name = pfn.removeprefix(_RUNTIME)
        if name == pfn or ".." in name or not _OURS.fullmatch(name):
            return False
        if name not in self._proof.starting:
            path = self._out.parent / name
            self._proof.starting[name] = path.stat().st_size if path.is_file() else 0
        return True

    def _workflow(self, file: str, options: StagingOptions) -> None:
        with (self._out / file).open("rb") as lines:
            for number, line in enumerate(lines, 1):
                self._proof.outputs += line.count(_RESULT)
                if found := _SUSPECT.search(line):
                    self._broken(f"{found[1].decode()!r} may send files another way", file, number)
                if line.startswith(b'{"type":"pegasusWorkflow"'):
                    self._subworkflow(line, file, number, options)

    def _subworkflow(self, line: bytes, file: str, number: int, options: StagingOptions) -> None:
        job = msgspec.json.decode(line.rstrip().removesuffix(b","))
        words = [str(each).replace("${RUBINCWL_STAGING}", options.variable) for each in job["arguments"]]
        said = dict(pairwise(words))
        expected = {"--output-sites": options.results, "--staging-site": f"compute={options.staging}"}
        for option, value in expected.items():
            if said.get(option) != value:
                self._broken(f"{option} of {job['id']!r} is {said.get(option)!r}, not {value!r}", file, number)


def _is_remote(pfn: str) -> bool:
    return urlsplit(pfn).scheme in (*_STORES, *_WEB)
