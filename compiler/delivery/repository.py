"""What a butler repository's configuration says: where its files are, and where its registry is."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from compiler.diagnostics import CompileError, Diagnostic, Origin

INPUTS = "inputs"
"""The link to the datastore in an output folder."""


def link_inputs(out: Path, repo: Path | str) -> Path:
    """Make OUT/inputs lead to the repository's datastore, whose files the job order names; returns its root.

    Raises `CompileError` where `repo` is no repository, or one whose files are not on this machine.
    """
    root = datastore_root(repo)
    link = out / INPUTS
    if link.is_symlink():
        link.unlink()
    elif link.exists():
        message = f"'{link}' is there and is not a link"
        raise CompileError([Diagnostic("inputs-exist", message, Origin(str(out)))])
    link.symlink_to(root)
    return root


def datastore_root(repo: Path | str) -> Path:
    """The local folder in which the repository's file datastore keeps its files, read from its configuration.

    Raises `CompileError` if they are not on this machine.
    """
    root = _root(repo)
    if isinstance(root, str):
        message = f"the repository's files are at '{root}', not on this machine"
        raise CompileError([Diagnostic("unsupported-datastore", message, help=f"--inputs-at {root}")])
    return root


def remote_root(repo: Path | str) -> str | None:
    """The URL of the store in which the repository keeps its files; None if they are on this machine."""
    root = _root(repo)
    return root if isinstance(root, str) else None


def _root(repo: Path | str) -> Path | str:
    import yaml

    folder = Path(repo)
    file = folder if folder.suffix in (".yaml", ".yml") and folder.is_file() else folder / "butler.yaml"
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise no_repository(str(repo), str(error)) from error
    roots = list(dict.fromkeys(_roots(config.get("datastore") if isinstance(config, Mapping) else None)))
    if len(roots) > 1:
        message = f"the repository '{repo}' has several datastores ({', '.join(roots)}); one folder is needed"
        raise CompileError([Diagnostic("unsupported-datastore", message)])
    base = file.parent.absolute()
    root = (roots[0] if roots else "<butlerRoot>").replace("<butlerRoot>", str(base)).removeprefix("file://")
    return root.rstrip("/") if "://" in root else Path(os.path.normpath(base / root))


def _roots(datastore: object) -> Iterator[str]:
    if isinstance(datastore, Mapping):
        if isinstance(datastore.get("root"), str):
            yield datastore["root"]
        for each in datastore.get("datastores") or ():
            yield from _roots(each.get("datastore", each) if isinstance(each, Mapping) else None)


def linked_repository(out: Path) -> Path | None:
    """The repository whose datastore OUT/inputs leads to, where that folder is a repository itself."""
    root = (out / INPUTS).resolve()
    return root if (root / "butler.yaml").is_file() else None


def repository_of(out: Path) -> Path:
    """As `linked_repository`. Raises `CompileError` if there is none."""
    found = linked_repository(out)
    if found is None:
        message = f"it is not known to which repository '{out}' is to be delivered"
        raise CompileError([Diagnostic("no-repository", message, Origin(str(out)), "say --repo REPO")])
    return found


def registry_of(repo: str) -> str:
    """Where the repository's registry is, without a password; the middleware reads the configuration."""
    from lsst.daf.butler import ButlerConfig

    try:
        told = str(ButlerConfig(repo)["registry", "db"])
    except (KeyError, OSError):
        return "where its configuration says"
    if told.startswith("sqlite:///"):
        return f"the file '{told.removeprefix('sqlite:///').replace('<butlerRoot>', repo)}'"
    parts = urlsplit(told)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"


def no_repository(repo: str, why: str) -> CompileError:
    """The finding for what cannot be read as a repository."""
    return CompileError([Diagnostic("no-repository", f"'{repo}' is no butler repository: {why}")])
