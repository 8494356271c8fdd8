"""The command line: arguments in, exit code out. The work is in the library."""

from __future__ import annotations

import click

from rubincwl.cli import compiling, data, explaining, provisioning, running
from rubincwl.cli.verb import completion


@click.group(
    name="rubincwl",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 well, 1 findings in the input, 2 usage, 3 a tool or service failed, 70 our own fault.",
)
@click.version_option(package_name="rubincwl", prog_name="rubincwl")
def cli() -> None:
    """Compile Rubin pipelines and quantum graphs to CWL with a proof, run that, or lower it to Pegasus."""


for _verb in (
    compiling.compile_,
    compiling.check,
    explaining.explain,
    running.run,
    running.deliver,
    data.upload,
    data.export_graph,
    data.demo_data,
    provisioning.provision,
    completion,
):
    cli.add_command(_verb)


def main() -> None:
    """The entry point of the ``rubincwl`` script."""
    cli()
