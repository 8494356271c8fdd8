"""How a verb reaches stores: as a target's settings say, or as clients find out by themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from providers import Access, Problem
    from providers.base import Provider

FILE = click.Path(path_type=Path)


@dataclass(frozen=True, slots=True)
class Reached:
    """What a target's settings say of stores; nothing if no target is named."""

    provider: Provider | None = None
    inputs_at: tuple[str, ...] = ()

    @property
    def access(self) -> Callable[[str], Access | Problem] | None:
        return None if self.provider is None else self.provider.access

    @property
    def outputs_at(self) -> str | None:
        """Where workflows on the target leave results, if in a store."""
        from providers.base import Object

        stores = [each.store for each in self.provider.sites() if each.store] if self.provider is not None else []
        places = [each.outputs for each in stores if isinstance(each.outputs, Object)]
        return f"{places[0].scheme}://{places[0].bucket}/{places[0].key}" if places else None


def of_target(verb: Callable[..., Any]) -> Callable[..., Any]:
    """The options that name a target and the file with its settings."""
    help = "Reach stores as the settings of this target say, not by the defaults of their clients."
    options = [
        click.option("--target", metavar="NAME", help=help),
        click.option("--config", type=FILE, help="The file with the target's settings."),
    ]
    for each in reversed(options):
        verb = each(verb)
    return verb


def reached(target: str | None, config: Path | None) -> Reached:
    """What the settings of `target` say. Raises `CompileError` with all that is wrong with them."""
    from compiler.diagnostics import Findings
    from compiler.frontend.config import target_settings
    from compiler.lowering import check_target

    if target is None:
        if config is not None:
            raise click.UsageError("--config says how a target's stores are reached: name it by --target")
        return Reached()
    settings = target_settings(config, target, {})
    provider = check_target(target, settings, Findings())
    said = settings.values.get("inputs_at") or ()
    return Reached(provider, (said,) if isinstance(said, str) else tuple(said))
