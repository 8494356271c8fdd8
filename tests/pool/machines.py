"""Machines on one cable: each has its own network, processes, name and files; nothing leaves this computer."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

METADATA = "169.254.169.254"
CLOUD = "10.213.0.1"
"""The cloud's own side of the cable."""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# What a machine does first: its own files over Debian's, and a little of what a start provides.
_START = """
root=$1 own=$2 name=$3
mount -t tmpfs tmpfs $own && mkdir $own/upper $own/work $own/root
mount -t overlay overlay -o lowerdir=$root,upperdir=$own/upper,workdir=$own/work $own/root
cd $own/root
mount -t proc proc proc
mount -t tmpfs -o mode=755 tmpfs dev && mkdir dev/shm dev/pts && chmod 1777 dev/shm
for each in null zero full random urandom tty; do touch dev/$each; mount --bind /dev/$each dev/$each; done
mount -t tmpfs tmpfs run && mkdir run/lock && chmod 1777 run/lock
hostname $name
printf '127.0.0.1 localhost\\n%s %s\\n' $4 $name > etc/hosts
echo $name > etc/hostname
: > etc/resolv.conf
exec chroot . /usr/bin/sleep infinity
"""

# Stand-ins of what ends or starts things on a real machine: they write down what was asked of them.
_RECORDER = '#!/bin/sh\necho "$@" >> /var/log/asked-{name}\n'


@dataclass
class Machine:
    """One machine, running."""

    name: str
    address: str
    process: int
    """The first of its processes, as this computer numbers it."""
    environment: dict[str, str] = field(default_factory=dict)
    """What its services find set."""

    def run(self, command: str, *, user: str = "root", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a line of shell on it."""
        return subprocess.run(self._enter(command, user), capture_output=True, text=True, check=check, timeout=120)

    def says(self, command: str, *, user: str = "root") -> str:
        """What a line of shell prints."""
        return self.run(command, user=user).stdout.strip()

    def start(self, command: str) -> None:
        """Start a daemon; it ends with the machine."""
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.Popen(self._enter(command, "root"), **quiet)

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Put a file onto it."""
        place = f"/proc/{self.process}/root{path}"
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        Path(place).write_text(text)
        os.chmod(place, mode)

    def read(self, path: str) -> str:
        """A file's text; empty if it is not there."""
        place = Path(f"/proc/{self.process}/root{path}")
        return place.read_text() if place.exists() else ""

    def asked(self, program: str) -> list[str]:
        """With which arguments a stand-in was called, one string a call."""
        return self.read(f"/var/log/asked-{program}").splitlines()

    def first_start(self, user_data: str) -> None:
        """Let the machine's own cloud-init read its user data."""
        for name in ("systemctl", "shutdown"):
            self.write(f"/usr/local/sbin/{name}", _RECORDER.format(name=name), 0o755)
        self.write("/etc/cloud/cloud.cfg.d/99-here.cfg", _CLOUD_CFG)
        self.write("/var/lib/cloud/seed/nocloud/meta-data", f"instance-id: {self.name}\n")
        self.write("/var/lib/cloud/seed/nocloud/user-data", user_data)
        stages = ("init --local", "init", "modules --mode=config", "modules --mode=final")
        for stage in stages:
            self.run(f"cloud-init {stage}", check=False)

    def service(self, unit: str) -> subprocess.CompletedProcess[str]:
        """Do once what a unit does, as systemd would."""
        commands = re.findall(r"^ExecStart=(.*)$", self.read(f"/etc/systemd/system/{unit}.service"), re.M)
        assert len(commands) == 1, f"{unit}: {commands}"
        return self.run(commands[0], check=False)

    def _enter(self, command: str, user: str) -> list[str]:
        entered = ["nsenter", "-t", str(self.process), "-m", "-u", "-n", "-p", "-r", "-w"]
        clean = ["env", "-i", f"PATH={_PATH}", "LC_ALL=C.UTF-8", *(f"{k}={v}" for k, v in self.environment.items())]
        as_user = [] if user == "root" else ["setpriv", f"--reuid={user}", "--regid=nogroup", "--clear-groups"]
        return [*entered, *clean, *as_user, "sh", "-c", command]


# Only what our user data uses, in the order of Debian's own; nothing that looks at disks or networks.
_CLOUD_CFG = """
datasource_list: [NoCloud]
network: {config: disabled}
system_info: {default_user: {name: debian, lock_passwd: true}}
cloud_init_modules: [bootcmd, write_files, users_groups]
cloud_config_modules: [apt_configure, runcmd]
cloud_final_modules: [package_update_upgrade_install, scripts_user]
"""


@dataclass
class Cable:
    """The network that machines hang on."""

    name: str
    root: Path
    folder: Path
    stack: ExitStack
    count: int = 0

    def machine(self, name: str, environment: dict[str, str]) -> Machine:
        """Start a machine on it."""
        self.count += 1
        space, address = f"{self.name}-{self.count}", f"10.213.0.{self.count + 10}"
        self.stack.enter_context(_network(space))
        link = f"{space[-12:]}"
        _ip(f"-n {self.name} link add {link} type veth peer name eth0 netns {space}")
        _ip(f"-n {self.name} link set {link} master cable up")
        for each in ("link set lo up", "link set eth0 up", f"addr add {address}/24 dev eth0"):
            _ip(f"-n {space} {each}")
        _ip(f"-n {space} route add default via {CLOUD}")
        own = self.folder / name
        own.mkdir()
        apart = "unshare --mount --uts --pid --fork --kill-child sh -ec"
        command = f"ip netns exec {space} {apart} {shlex.quote(_START)} - {self.root} {own} {name} {address}"
        outer = subprocess.Popen(shlex.split(command))
        self.stack.callback(_end, outer)
        return Machine(name, address, _first_process(outer), environment)


@contextmanager
def cable(root: Path, folder: Path) -> Iterator[Cable]:
    """A network with the cloud's own two addresses on it, and no way out."""
    name = f"pool{os.getpid()}"
    with ExitStack() as stack:
        stack.enter_context(_network(name))
        for each in ("link add cable type bridge", "link set cable up", "link set lo up"):
            _ip(f"-n {name} {each}")
        for address in (f"{CLOUD}/24", f"{METADATA}/32"):
            _ip(f"-n {name} addr add {address} dev cable")
        yield Cable(name, root, folder, stack)


def wait(until: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Return when `until` holds; fails with `what` after so long."""
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, what
        time.sleep(0.3)


@contextmanager
def _network(name: str) -> Iterator[None]:
    _ip(f"netns add {name}")
    try:
        yield
    finally:
        _ip(f"netns del {name}")


def _ip(arguments: str) -> None:
    subprocess.run(["ip", *arguments.split()], check=True)


def _first_process(outer: subprocess.Popen[bytes]) -> int:
    """The process that the machine starts with, once it has become what it waits as."""
    children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")

    def ready() -> bool:
        assert outer.poll() is None, "the machine did not start"
        first = children.read_text().split()
        return bool(first) and Path(f"/proc/{first[0]}/comm").read_text().strip() == "sleep"

    wait(ready, "the machine did not start", 20)
    return int(children.read_text().split()[0])


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
