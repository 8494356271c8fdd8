"""A graph and its CWL, both written by hand: what is right is proved, what is wrong is caught and named."""

from __future__ import annotations

import json

from compiler.certificate import certify
from tests.certificate import by_hand


def test_a_right_workflow_is_proved_and_counted() -> None:
    found = certify(by_hand.document(), by_hand.job_order(), by_hand.graph())
    assert found.findings == ()
    assert found.proved
    told = found.to_json()
    assert told["quanta"] == {"isr": 4, "clean": 4, "combine": 2, "stack": 2}
    assert told["edges"] == 4 + 4 + 4 + 3
    assert told["inputs"] == 4 + 2 + 1
    assert told["hash"] == told["graph_hash"]


def test_ids_of_quanta_do_not_matter() -> None:
    one = certify(by_hand.document(), by_hand.job_order(), by_hand.graph())
    other = certify(by_hand.document(), by_hand.job_order(), by_hand.graph("rerun"))
    assert json.dumps(one.to_json()) == json.dumps(other.to_json())


def test_without_an_engine_the_regroups_stay_unproved_and_the_rest_is_shown() -> None:
    found = certify(by_hand.document(), by_hand.job_order(), by_hand.graph(), find_node=lambda: None)
    assert found.findings == ()
    assert not found.proved
    assert found.unproved == ("main/regroup_cleaned", "main/regroup_dark")
    assert found.to_json()["hash"] is None


def test_without_an_engine_a_fault_elsewhere_is_still_found() -> None:
    order = by_hand.job_order()
    order["isr"][0][0]["inputs"]["bias"] = order["isr"][1][0]["inputs"]["bias"]
    found = certify(by_hand.document(), order, by_hand.graph(), find_node=lambda: None)
    assert [each.code for each in found.findings] == ["wrong-input"]
