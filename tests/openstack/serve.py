"""One service of OpenStack on 127.0.0.1; run by the Python that has it: ``serve.py NAME PORT FOLDER``.

Nova is its API, conductor, scheduler and compute in one process, which speak to each other in memory.
"""

import importlib
import os
import sys
import threading
from contextlib import suppress


def nova():
    """The application, with the other parts of nova started behind it."""
    os.environ["OS_NOVA_DISABLE_EVENTLET_PATCHING"] = "1"
    from nova import monkey_patch

    monkey_patch.patch(backend="threading")
    _one_at_a_time()
    import os_vif
    from nova import objects, service
    from nova.compute import rpcapi as compute
    from nova.conductor import rpcapi as conductor
    from nova.scheduler import rpcapi as scheduler
    from nova.wsgi.osapi_compute import application

    objects.register_all()
    os_vif.initialize()
    parts = []
    for binary, part in (("nova-conductor", conductor), ("nova-scheduler", scheduler), ("nova-compute", compute)):
        alternative = getattr(part, "RPC_TOPIC_ALT", None) if part is compute else None
        more = {"topic_alt": alternative} if alternative else {}
        parts.append(service.Service.create(binary=binary, topic=part.RPC_TOPIC, **more))
        parts[-1].start()
    _map_host()
    application.parts = parts  # or they would be collected
    return application


def _map_host():
    """Tell nova's cell of the host that has just begun to report."""
    from nova import context
    from nova.objects import host_mapping

    host_mapping.discover_hosts(context.get_admin_context())


def neutron():
    """The application, whose ports are bound on every host, as if an agent were there."""
    from neutron.tests.unit.plugins.ml2.drivers import mechanism_test
    from neutron_lib.api.definitions import portbindings
    from neutron_lib.plugins.ml2 import api

    class Bound(api.MechanismDriver):
        def initialize(self):
            pass

        def bind_port(self, context):
            details = {portbindings.CAP_PORT_FILTER: True}
            context.set_binding(context.segments_to_bind[0][api.ID], portbindings.VIF_TYPE_OVS, details, "ACTIVE")

    mechanism_test.TestMechanismDriver = Bound  # what the name "test" in its configuration stands for
    from neutron.wsgi.api import application

    return application


OWN = {"nova": nova, "neutron": neutron}
"""What does not work as it comes, on one machine without agents."""


def main(name, port, folder):
    """Serve until it is ended, or until whoever started it is gone (its end of standard input closes)."""
    variable = f"OS_{name.upper()}_CONFIG"
    os.environ[f"{variable}_DIR"] = folder
    os.environ.pop(f"{variable}_FILES", None)
    files = {"keystone": "keystone.conf", "glance": "glance-api.conf", "neutron": "neutron.conf"}
    if name in files:
        os.environ[f"{variable}_FILES"] = os.path.join(folder, files[name])
    sys.argv = [name, *(["--config-file", os.path.join(folder, "neutron.conf")] if name == "neutron" else [])]
    if name != "nova":  # which imports nothing before its own patches
        _one_at_a_time()
    application = OWN[name]() if name in OWN else importlib.import_module(f"{name}.wsgi.api").application
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from werkzeug.serving import WSGIRequestHandler, run_simple

    WSGIRequestHandler.protocol_version = "HTTP/1.1"
    run_simple("127.0.0.1", port, application, threaded=True)


def _one_at_a_time():
    """Let sqlite's transactions wait for each other from their start.

    Two that have read and then want to write would both fail: a machine would be lost now and then.
    """
    import sqlalchemy

    @sqlalchemy.event.listens_for(sqlalchemy.engine.Engine, "before_cursor_execute", retval=True)
    def _begin(connection, cursor, statement, parameters, context, many):
        return ("BEGIN IMMEDIATE" if statement == "BEGIN" else statement), parameters


def _end_with_parent():
    with suppress(OSError):
        while sys.stdin.buffer.read(1):
            pass
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
