"""What machines are told at their first start, read as cloud-init and its tools read it."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from providers.provisioning.cloud_init import AptSource, Node, google_startup, problems, secret_name, user_data

AWS_LIMIT = 16_384

KEY = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQINBF\n-----END PGP PUBLIC KEY BLOCK-----\n"
PEGASUS = AptSource("pegasus", "deb [signed-by=$KEY_FILE] https://packages.example.org/debian trixie main", KEY)
HEAD = Node(
    role="head",
    cluster="dark",
    cloud="aws",
    region="us-east-1",
    lease_s=28_800,
    idle_s=1800,
    project="rubin-dark",
    network="10.20.0.0/24",
    packages=("pegasus",),
    apt_sources=(PEGASUS,),
    ssh_key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA astronomer",
)
WORKER = replace(HEAD, role="worker", packages=(), runtime="docker")
NODES = [replace(node, cloud=cloud) for cloud in ("aws", "gcp", "openstack") for node in (HEAD, WORKER)]
every_node = pytest.mark.parametrize("node", NODES, ids=lambda node: f"{node.cloud}-{node.role}")


def read(node: Node) -> dict[str, Any]:
    return dict(yaml.safe_load(user_data(node)))


def written(node: Node) -> dict[str, str]:
    return {each["path"]: each["content"] for each in read(node)["write_files"]}


@pytest.mark.system("cloud-init")
@every_node
def test_cloud_init_takes_it(node: Node, tmp_path: Path) -> None:
    path = tmp_path / "user-data"
    path.write_text(user_data(node))
    done = subprocess.run(["cloud-init", "schema", "--config-file", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Valid" in done.stdout


@every_node
def test_it_is_yaml_of_the_modules_that_we_mean(node: Node) -> None:
    assert not problems(node)
    assert user_data(node).startswith("#cloud-config\n")
    wanted = {"bootcmd", "write_files", "package_update", "packages", "runcmd"}
    assert set(read(node)) == wanted | ({"users", "apt"} if node.head else set())


@every_node
def test_it_fits_what_aws_takes_with_room_for_the_keys_of_sources(node: Node) -> None:
    assert len(user_data(node).encode()) < AWS_LIMIT - 4096


@every_node
def test_the_same_node_gives_the_same_text(node: Node) -> None:
    assert user_data(node) == user_data(replace(node))


@every_node
def test_nothing_in_it_looks_like_a_secret(node: Node) -> None:
    text = user_data(node)
    assert not re.search(r"eyJ[A-Za-z0-9_-]{8}|PRIVATE KEY|AKIA[A-Z0-9]|aws_secret|HMAC", text)
    assert not re.search(r"(?i)passw(or)?d\s*[:=]", text.replace("lock_passwd: true", ""))
    for word in re.findall(r"[A-Za-z0-9+=_]{32,}", text):
        mixed = all(re.search(kind, word) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
        assert not mixed or word in str(HEAD.ssh_key), word


@every_node
def test_every_script_can_be_read_by_its_interpreter(node: Node) -> None:
    for path, text in written(node).items():
        if path.endswith(".py"):
            compile(text, path, "exec")
    for script in (*read(node)["bootcmd"], "\n".join(read(node)["runcmd"])):
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


@every_node
def test_scripts_are_as_clean_as_our_own(node: Node, tmp_path: Path) -> None:
    for path, text in written(node).items():
        if path.endswith(".py"):
            (tmp_path / Path(path).name).write_text(text)
    configuration = Path(__file__).parents[2] / "pyproject.toml"
    for verb in (["check"], ["format", "--check"]):
        command = ["ruff", *verb, "--config", configuration, tmp_path]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


@pytest.mark.system("systemd-analyze")
@every_node
def test_systemd_takes_the_units(node: Node, tmp_path: Path) -> None:
    units = []
    for path, text in written(node).items():
        if path.startswith("/etc/systemd/system/rubincwl-"):
            # The programs are on the node, not here.
            (tmp_path / Path(path).name).write_text(re.sub(r"^ExecStart=.*$", "ExecStart=/bin/true", text, flags=re.M))
            units.append(str(tmp_path / Path(path).name))
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert "Unknown" not in done.stderr, done.stderr
    assert done.returncode == 0, done.stderr


@every_node
def test_the_lease_is_set_before_anything_that_can_fail(node: Node) -> None:
    (first,) = read(node)["bootcmd"]
    assert str(node.lease_s) in first
    assert "systemctl enable --now --no-block rubincwl-lease.timer" in first
    # A fault of one line must not keep the next from running.
    assert "set -e" not in first


def test_googles_images_without_cloud_init_get_it_after_their_lease() -> None:
    script = google_startup(7200)
    subprocess.run(["sh", "-n"], input=script, text=True, check=True)
    assert script.index("rubincwl-lease.timer") < script.index("apt-get")
    assert script.rindex("cloud-init modules --mode=final") > script.index("cloud-init init")


@every_node
def test_htcondor_does_not_start_while_the_metadata_are_open_to_jobs(node: Node) -> None:
    files = written(node)
    assert "Requires=rubincwl-metadata.service\n" in files["/etc/systemd/system/condor.service.d/rubincwl.conf"]
    assert "meta skuid != 0" in files["/etc/rubincwl/metadata.nft"]
    assert any("rubincwl-metadata.service" in each for each in read(node)["runcmd"])


@every_node
def test_both_roles_agree_on_the_pool_and_on_its_security(node: Node) -> None:
    other = replace(WORKER if node.head else HEAD, cloud=node.cloud)
    mine, theirs = (
        {line for path, text in written(each).items() if path.endswith("config") for line in text.splitlines()}
        for each in (node, other)
    )
    for start in ("use security:", "TRUST_DOMAIN", "UID_DOMAIN", "SEC_DEFAULT_AUTHENTICATION", "SHARED_PORT_PORT"):
        assert {line for line in mine if line.startswith(start)} == {line for line in theirs if line.startswith(start)}
        assert any(line.startswith(start) for line in mine)


def test_only_what_is_not_debians_brings_its_source_along() -> None:
    assert "apt" in read(HEAD)
    assert "apt" not in read(WORKER)
    apptainer = read(replace(WORKER, runtime="apptainer"))
    assert apptainer["apt"]["sources"] == {"pegasus.list": {"source": PEGASUS.line, "key": KEY}}
    assert "apptainer" in apptainer["packages"]


def test_a_secret_has_one_name_a_cluster() -> None:
    assert secret_name("dark", "aws") == "/rubincwl/dark/worker-token"
    assert secret_name("dark", "gcp") == "rubincwl-dark-worker-token"
    assert secret_name("dark", "openstack") is None
    assert json.loads(written(NODES[1])["/etc/rubincwl/node.json"])["secret"] == secret_name("dark", "aws")


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"cluster": "Dark Sky"}, "bad-cluster-name"),
        ({"cluster": "dark-"}, "bad-cluster-name"),
        ({"user": "root"}, "bad-user"),
        ({"user": "a b"}, "bad-user"),
        ({"ssh_key": "-----BEGIN OPENSSH PRIVATE KEY-----"}, "bad-ssh-key"),
        ({"ssh_key": "ssh-rsa AAAA\nruncmd: [reboot]"}, "bad-ssh-key"),
        ({"lease_s": 60}, "short-lease"),
        ({"idle_s": 60}, "short-idle-limit"),
        ({"region": "moon"}, "bad-region"),
        ({"cloud": "gcp", "project": ""}, "bad-project"),
        ({"cloud": "openstack", "network": "0.0.0.0/0"}, "bad-network"),
        ({"cloud": "openstack", "network": "10.20.0.1/24"}, "bad-network"),
        ({"head_address": "8.8.8.8"}, "bad-head-address"),
        ({"packages": ("pegasus; reboot",)}, "bad-package"),
        ({"apt_sources": (replace(PEGASUS, line="deb [trusted=yes] https://x y main"),)}, "unsigned-apt-source"),
        ({"apt_sources": (replace(PEGASUS, key=""),)}, "unsigned-apt-source"),
        ({"apt_sources": (replace(PEGASUS, name="../x"),)}, "bad-apt-source"),
        ({"role": "worker", "runtime": "apptainer", "apt_sources": ()}, "no-apt-source"),
    ],
)
def test_what_a_node_cannot_be_is_said(wrong: dict[str, Any], code: str) -> None:
    assert [each.code for each in problems(replace(HEAD, **wrong))] == [code]


def test_all_faults_are_said_at_once() -> None:
    found = problems(replace(HEAD, cluster="", user="", lease_s=0, idle_s=0, region="", packages=("",)))
    assert len(found) == 6
    assert all(each.help for each in found)


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_no_setting_without_a_fault_escapes_its_place(cluster: str, user: str, package: str) -> None:
    node = replace(HEAD, cluster=cluster, user=user, packages=(package,))
    if problems(node):
        return
    document = read(node)
    assert document["users"][1]["name"] == user
    assert document["packages"][-1] == package
    for text in written(node).values():
        assert len(text.splitlines()) < 100
    assert set(document) == set(read(HEAD))
