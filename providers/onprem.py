"""A cluster of one's own: an HTCondor pool that exists, a Slurm front end, or machines of an OpenStack cloud.

Jobs hand files to each other in one of three ways, by the setting ``handover``: a folder that submit host and workers
share, the submit host itself (HTCondor carries the files), or a store that speaks S3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, get_args
from urllib.parse import unquote

from providers.base import (
    COMPUTE,
    LOCAL,
    STAGING,
    Access,
    Batch,
    Capability,
    CredentialsFile,
    Folder,
    Handover,
    MachineType,
    Placeholder,
    Price,
    Problem,
    Replica,
    Science,
    Site,
    Store,
    Web,
)
from providers.provisioning.base import Cloud
from providers.s3 import S3Bucket, plain_access, split_url
from schemas import schema

_FOLDER_MARK = Placeholder("@SHARED_FOLDER@", "the folder that all machines see", "shared_folder")


class OnPrem:
    """Settings: schemas/target-onprem.schema.json."""

    name: ClassVar[str] = "onprem"
    capabilities: ClassVar[frozenset[Capability]] = frozenset({"object-store", "provisioning"})
    schema: ClassVar[Mapping[str, Any]] = schema("target-onprem")
    science: ClassVar[Science] = "setup-script"

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = dict(settings)
        self.bucket = S3Bucket.of(settings, "rubin@store")
        self.shared = str(settings.get("shared_folder") or _FOLDER_MARK.mark).rstrip("/")

    @property
    def machine_region(self) -> str:
        """That of the OpenStack in which a cluster is made; empty where it has one only."""
        openstack = self.settings.get("openstack")
        return str(openstack.get("region") or "") if isinstance(openstack, Mapping) else ""

    @property
    def handover(self) -> Handover:
        """As it is set, else by what is there: a shared folder, a bucket, or nothing but the submit host."""
        said = self.settings.get("handover")
        if said in get_args(Handover):
            return said  # type: ignore[return-value]
        if self.settings.get("shared_folder"):
            return "shared-folder"
        return "object-store" if self.settings.get("bucket") else "submit-host"

    def problems(self) -> tuple[Problem, ...]:
        """Paths that are none, names that S3 or Pegasus would refuse, and settings that contradict each other."""
        found = list(self.bucket.problems())
        if self.shared != _FOLDER_MARK.mark:
            found += _bad_path(self.shared, "shared_folder")
        if (outputs := self.settings.get("outputs_folder")) is not None:
            found += _bad_path(str(outputs), "outputs_folder")
        if self._batch() is not None and self.handover == "submit-host":
            help = "set shared_folder, or bucket and endpoint"
            found.append(Problem("slurm-needs-store", "Slurm carries no files for its jobs", help, "batch"))
        if self.handover == "object-store" and self.bucket.endpoint is None:
            help = "for instance https://s3.example.org:9000"
            if self.settings.get("bucket"):
                found.append(Problem("no-endpoint", "a bucket on-prem needs its endpoint", help, "bucket"))
        return tuple(found)

    def placeholders(self) -> tuple[Placeholder, ...]:
        """The bucket or the shared folder, if it is to be used and not given."""
        if self.handover == "object-store":
            return self.bucket.placeholders()
        return (_FOLDER_MARK,) if self.handover == "shared-folder" and self.shared == _FOLDER_MARK.mark else ()

    def sites(self) -> tuple[Site, ...]:
        """Workers, where files wait for them, and the submit host."""
        environment = self.bucket.environment() if self._s3() else {}
        store = self._store()
        return (
            Site(
                COMPUTE,
                store=store if self.handover == "shared-folder" else None,
                batch=self._batch(),
                environment=environment,
            ),
            Site(STAGING, store=store, environment=environment),
            Site(LOCAL, environment=environment),
        )

    def replica(self, url: str) -> Replica | Problem:
        """A path that workers or the submit host see, an object of the S3 store, or a file on the web."""
        scheme, host = split_url(url)
        if scheme in ("http", "https") and host:
            return Replica(STAGING, Web(url))
        if scheme == "file" or url.startswith("/"):
            return self._file(url)
        if scheme == "s3" and self._s3():
            return self.bucket.replica(url)
        help = "a path that all machines see, s3:// with 'credentials' set, or https://"
        return Problem("unreachable-input", f"jobs on onprem cannot fetch {url!r}", help, "inputs_at")

    def access(self, url: str) -> Access | Problem:
        """Files as they are, the S3 store at its endpoint by the profile of the settings."""
        return self.bucket.access(url) if split_url(url)[0] == "s3" else plain_access(url)

    def credentials(self) -> tuple[CredentialsFile, ...]:
        """Pegasus' credentials file, where S3 is used."""
        return self.bucket.credentials() if self._s3() else ()

    def machines(self) -> tuple[MachineType, ...]:
        """Those that the settings list."""
        listed = self.settings.get("machines")
        found = []
        for each in listed if isinstance(listed, list | tuple) else ():
            try:
                disk = each.get("disk_gib")
                found.append(
                    MachineType(
                        str(each["name"]),
                        int(each["cores"]),
                        float(each["memory_gib"]),
                        None if disk is None else float(disk),
                        int(each.get("gpus") or 0),
                    )
                )
            except (AttributeError, KeyError, TypeError, ValueError):
                continue  # the schema tells it
        return tuple(found)

    def prices(self) -> tuple[Price, ...]:
        """None: nobody sends a bill."""
        return ()

    def cloud(self) -> Cloud:
        """OpenStack. Raises `ProviderUnavailableError` if libcloud is not installed."""
        from providers.registry import cloud_of

        return cloud_of("providers.provisioning.openstack:OpenStack", self.settings)

    def _s3(self) -> bool:
        return self.handover == "object-store" or bool(self.settings.get("credentials"))

    def _batch(self) -> Batch | None:
        given = self.settings.get("batch")
        if not isinstance(given, Mapping):
            return None
        queue, account = (None if given.get(key) is None else str(given[key]) for key in ("queue", "account"))
        return Batch("slurm", queue, account)

    def _store(self) -> Store | None:
        if self.handover == "object-store":
            return self.bucket.store()
        if self.handover == "submit-host":
            return None
        root = Folder(self.shared)
        outputs = self.settings.get("outputs_folder")
        return Store(root.below("scratch"), Folder(str(outputs).rstrip("/")) if outputs else root.below("outputs"))

    def _file(self, url: str) -> Replica | Problem:
        path = unquote(url.removeprefix("file://")).rstrip("/") if url.startswith("file://") else url.rstrip("/")
        if found := _bad_path(path, "inputs_at"):
            return found[0]
        if self.settings.get("shared_folder"):
            return Replica(COMPUTE, Folder(path))
        if self.handover == "submit-host":
            return Replica(LOCAL, Folder(path))
        help = "copy it with 'rubincwl upload', or say which shared_folder workers see"
        return Problem("inputs-on-submit-host", f"jobs cannot see {path!r}", help, "inputs_at")


def _bad_path(path: str, setting: str) -> list[Problem]:
    if path.startswith("/") and not set(path) & set(" \t\n$'\"\\*?[]{}<>|`"):
        return []
    help = "an absolute path without spaces, quotes and wildcards"
    return [Problem("bad-path", f"{path!r} cannot be {setting}", help, setting)]
