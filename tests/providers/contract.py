"""What every provider must do; a provider's tests derive from it."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from datetime import date
from typing import Any, ClassVar, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from providers import (
    Access,
    Folder,
    Handover,
    MachineType,
    Object,
    Placeholder,
    Problem,
    Provider,
    Replica,
    load_provider,
    provider_class,
)
from providers.base import Capability, Science

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=8), inner, max_size=2),
    max_leaves=4,
)
SECRET = re.compile(r"secret|password|access_key|^key$", re.IGNORECASE)


class ProviderContract:
    """Derive, set `name`, `good`, `inputs` and `refused`, and pytest runs all of this against the provider."""

    name: ClassVar[str]
    good: ClassVar[Mapping[str, Any]]
    """Settings that leave nothing open."""
    inputs: ClassVar[str]
    """A URL of an existing file that its jobs can fetch."""
    refused: ClassVar[tuple[str, ...]] = ("file:///data/raw.fits", "/data/raw.fits", "ftp://host/x", "")
    """URLs that they cannot."""

    def made(self, **settings: Any) -> Provider:
        return load_provider(self.name, settings)

    def test_it_keeps_the_protocol(self) -> None:
        provider = self.made()
        assert isinstance(provider, Provider)
        assert provider.name == self.name
        assert provider.capabilities <= set(get_args(Capability))
        assert provider.science in get_args(Science)

    def test_its_schema_takes_good_settings_and_no_others(self) -> None:
        schema = provider_class(self.name).schema
        Draft202012Validator.check_schema(schema)
        known = schema["properties"]
        assert all(each.get("description") or "enum" in each or "type" in each for each in known.values())
        assert set(self.good) <= set(known)
        Draft202012Validator(schema).validate(dict(self.good))

    def test_its_sites_are_compute_staging_and_local(self) -> None:
        for provider in (self.made(), self.made(**self.good)):
            assert [site.name for site in provider.sites()] == ["compute", "staging", "local"]

    def test_files_wait_where_its_handover_says(self) -> None:
        for provider in (self.made(), self.made(**self.good)):
            compute, staging, _ = provider.sites()
            match provider.handover:
                case "object-store":
                    assert compute.store is None
                    assert staging.store is not None
                    assert isinstance(staging.store.scratch, Object)
                    assert "object-store" in provider.capabilities
                case "shared-folder":
                    assert staging.store == compute.store
                    assert staging.store is not None
                    assert isinstance(staging.store.scratch, Folder)
                case "submit-host":
                    assert compute.store is None
                    assert staging.store is None
                case other:
                    raise AssertionError(f"{other!r} is none of {get_args(Handover)}")
            if staging.store is not None:
                assert staging.store.scratch != staging.store.outputs

    def test_good_settings_leave_no_problem_and_no_placeholder(self) -> None:
        provider = self.made(**self.good)
        assert provider.problems() == ()
        assert provider.placeholders() == ()

    def test_without_settings_there_is_no_problem_and_marks_stand_for_what_is_missing(self) -> None:
        provider = self.made()
        assert provider.problems() == ()
        written = repr(provider.sites())
        assert set(re.findall("@[A-Z_]+@", written)) == {each.mark for each in provider.placeholders()}
        for each in provider.placeholders():
            assert isinstance(each, Placeholder)
            assert each.setting in provider.schema["properties"]

    def test_settings_of_any_kind_are_told_and_never_raise(self) -> None:
        known = sorted(provider_class(self.name).schema["properties"])

        letters = st.sampled_from("[]:/@?#%. ") | st.characters()

        @given(st.dictionaries(st.sampled_from(known), ANYTHING, max_size=3), st.text(letters, max_size=12))
        @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        def holds(values: dict[str, Any], url: str) -> None:
            provider = self.made(**{**self.good, **values})
            for problem in provider.problems():
                assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", problem.code)
                assert problem.setting is not None
                assert problem.setting.partition(".")[0] in {*known, "cluster"}
            assert len(provider.sites()) == 3
            assert provider.handover in get_args(Handover)
            for address in (url, f"s3://{url}", f"gs://{url}", f"file://{url}", self.inputs):
                assert isinstance(provider.replica(address), Replica | Problem)
                assert isinstance(provider.access(address), Access | Problem)
            for facts in (provider.placeholders(), provider.credentials(), provider.machines(), provider.prices()):
                assert isinstance(facts, tuple)

        holds()

    def test_an_existing_file_is_reached_or_refused_without_raising(self) -> None:
        provider = self.made(**self.good)
        assert isinstance(provider.replica(self.inputs), Replica)
        for url in self.refused:
            problem = provider.replica(url)
            assert isinstance(problem, Problem)
            assert problem.setting == "inputs_at"

    def test_this_machine_reaches_what_jobs_reach_and_names_its_credentials_only(self) -> None:
        found = self.made(**self.good).access(self.inputs)
        assert isinstance(found, Access)
        assert found.protocol in ("s3", "gs", "http", "https", "file")
        assert found.install or found.protocol == "file"
        assert not [option for option in found.options if SECRET.search(option)]

    def test_files_of_secrets_are_named_by_path(self) -> None:
        for each in self.made(**self.good).credentials():
            assert each.path.startswith(("/", "~/"))
            assert each.meaning
            assert re.fullmatch("[A-Z][A-Z0-9_]*", each.variable)

    def test_its_machines_are_real_and_named_once(self) -> None:
        machines = self.made(**self.good).machines()
        assert all(isinstance(each, MachineType) for each in machines)
        assert len({each.name for each in machines}) == len(machines)
        for each in machines:
            assert each.cores >= 1
            assert 0 < each.usable_mib < each.memory_gib * 1024
            assert each.gpus >= 0
            assert each.disk_gib is None or each.disk_gib > 0

    def test_its_prices_are_of_its_machines_and_dated(self) -> None:
        provider = self.made(**self.good)
        prices = provider.prices()
        assert "prices" in provider.capabilities or not prices
        assert {each.machine for each in prices} <= {each.name for each in provider.machines()}
        for each in prices:
            assert each.usd_hour > 0
            assert date.fromisoformat(each.as_of) <= date.today()
            assert each.source

    def test_who_makes_no_machines_says_so(self) -> None:
        provider = self.made(**self.good)
        if "provisioning" not in provider.capabilities:
            with pytest.raises(NotImplementedError, match=self.name):
                provider.cloud()

    def test_it_imports_nothing_of_the_compiler(self) -> None:
        module = sys.modules[type(self.made()).__module__]
        assert not [
            name for name, each in vars(module).items() if getattr(each, "__module__", "").startswith("compiler")
        ]

    def test_same_settings_give_same_facts(self) -> None:
        assert self.made(**self.good).sites() == self.made(**self.good).sites()
