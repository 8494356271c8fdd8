"""What every provider must do; a provider's tests derive from it."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any, ClassVar

from providers import MachineType, Placeholder, Problem, Provider, Replica, load_provider


class ProviderContract:
    """Derive, set `name` and `good`, and pytest runs all of this against the provider."""

    name: ClassVar[str]
    good: ClassVar[Mapping[str, Any]]
    """Settings that leave nothing open."""
    inputs: ClassVar[str]
    """A URL of an existing file that its jobs can fetch."""

    def made(self, **settings: Any) -> Provider:
        return load_provider(self.name, settings)

    def test_it_keeps_the_protocol(self) -> None:
        provider = self.made()
        assert isinstance(provider, Provider)
        assert provider.name == self.name

    def test_its_sites_are_compute_staging_and_local(self) -> None:
        for provider in (self.made(), self.made(**self.good)):
            assert [site.name for site in provider.sites()] == ["compute", "staging", "local"]
            assert (provider.sites()[1].store is None) == (provider.handover == "submit-host")

    def test_good_settings_leave_no_problem_and_no_placeholder(self) -> None:
        provider = self.made(**self.good)
        assert provider.problems() == ()
        assert provider.placeholders() == ()

    def test_without_settings_there_are_marks_and_no_problem(self) -> None:
        provider = self.made()
        assert provider.problems() == ()
        marks = provider.placeholders()
        assert marks
        assert all(isinstance(each, Placeholder) and re.fullmatch("@[A-Z_]+@", each.mark) for each in marks)
        assert all(each.setting.startswith(self.name + ".") for each in marks)
        written = repr(provider.sites())
        assert all(each.mark in written for each in marks)

    def test_an_existing_file_is_reached_or_refused_without_raising(self) -> None:
        provider = self.made(**self.good)
        assert isinstance(provider.replica(self.inputs), Replica)
        for url in ("file:///data/raw.fits", "/data/raw.fits", "ftp://host/x", ""):
            assert isinstance(provider.replica(url), Problem)

    def test_its_machines_are_real_and_named_once(self) -> None:
        machines = self.made().machines()
        assert all(isinstance(each, MachineType) for each in machines)
        assert len({each.name for each in machines}) == len(machines)
        for each in machines:
            assert each.cores >= 1
            assert 0 < each.usable_mib < each.memory_gib * 1024
            assert each.gpus >= 0
            assert each.disk_gib is None or each.disk_gib > 0

    def test_it_imports_nothing_of_the_compiler(self) -> None:
        module = sys.modules[type(self.made()).__module__]
        assert not [
            name for name, each in vars(module).items() if getattr(each, "__module__", "").startswith("compiler")
        ]

    def test_same_settings_give_same_facts(self) -> None:
        assert self.made(**self.good).sites() == self.made(**self.good).sites()
