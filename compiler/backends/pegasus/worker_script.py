"""worker.sh: what PegasusLite sources on a worker, so that transfers, exit codes and signals serve the runner."""

from __future__ import annotations

WORKER_SCRIPT = "worker.sh"
SHARED_RUNNER = "quantum_runner.sh"
"""The quantum runner where jobs run without PegasusLite, which alone would source a script for them."""

# PegasusLite 5.1 (pegasus-lite-common.sh and the job scripts that the planner writes) as it was read and run:
# - A transfer that fails is tried again after two minutes and again after five. A checkpoint that is not there
#   yet, at a job's first try, would cost seven minutes; so would each output that a failed task did not make.
# - If the stage-out of a failed task fails, the job ends with 1, and the task's exit code is lost.
# - In a container the stage-out does not run under `set -e`: a failed one would be taken for success.
# - bash runs a trap only when the foreground command has ended, so SIGTERM reaches neither kickstart nor task.
_SCRIPT = r"""# Sourced by PegasusLite on the worker, before it fetches anything.

# The words of a transfer come on standard input; job_ec is the task's exit code, once it has run.
pegasus-transfer() {
    local wanted
    wanted=$(cat)
    case $wanted in
        *'"linkage": "input"'*'"checkpoint": "true"'*)
            # There is none at the first try: no reason to wait for it.
            command pegasus-transfer "$@" --max-attempts 1 <<< "$wanted"
            return ;;
        *'"checkpoint": "true"'*)
            # It serves a next try, and there is none after success.
            [ "${job_ec:-0}" != 0 ] || return 0 ;;
        *)
            if [ "${job_ec:-0}" != 0 ]; then
                echo "rubincwl: the task failed, so its outputs are left alone" 1>&2
                return 0
            fi ;;
    esac
    command pegasus-transfer "$@" <<< "$wanted" || { job_ec=1; return 1; }
}

# A request to end, as HTCondor's preemption, reaches the task, which has its checkpoint fetched before the job ends.
pegasus-kickstart() {
    local child code
    command pegasus-kickstart "$@" <&0 &
    child=$!
    trap "pegasus_lite_signal_term; kill -TERM $child || true" TERM
    while :; do
        code=0
        wait "$child" || code=$?
        kill -0 "$child" 2>/dev/null || break
    done
    trap pegasus_lite_signal_term TERM
    return "$code"
}
"""


# HTCondor holds a job whose outputs are not all there, so that neither its exit code nor its checkpoint is seen.
_CARRIED = r"""
# HTCondor carries the outputs, and wants all of them, of a failed task too.
rubincwl_fill_outputs() {
    local name
    sed -n 's/^TransferOutput = "\(.*\)"$/\1/p' "$_CONDOR_JOB_AD" | tr , '\n' | while read -r name; do
        [ -e "$name" ] || : > "$name"
    done
}
"""

BEFORE_SCRIPT = "before_job.sh"
"""What DAGMan runs before it submits a job whose inputs HTCondor carries."""
BEFORE = r"""#!/bin/bash
# before_job.sh NODE: HTCondor wants all inputs of a job to be there, and its checkpoint is not at its first try.
set -eu
for file in ./*/*/"$1.sub"; do
    folder=$(sed -n 's/^initialdir = //p' "$file")
    for input in $(sed -n 's/^transfer_input_files = //p' "$file" | tr , ' '); do
        case $input in
            *_checkpoint.tar) [ -e "$folder/$input" ] || : > "$folder/$input" ;;
        esac
    done
done
"""


def worker_script(setup: str = "", carried: bool = False) -> str:
    """The text of worker.sh; `setup`, in the shell's words, sets the science stack up and comes last.

    `carried`: whether HTCondor carries the outputs.

    >>> print(worker_script(". /sdf/group/rubin/loadLSST.bash")[-34:], end="")
    <BLANKLINE>
    . /sdf/group/rubin/loadLSST.bash
    """
    script = _SCRIPT
    if carried:
        script = script.replace(
            '    return "$code"\n', '    [ "$code" = 0 ] || rubincwl_fill_outputs\n    return "$code"\n'
        )
        script += _CARRIED
    return script + ("\n" + setup.rstrip("\n") + "\n" if setup else "")


def shared_runner(runner: bytes, setup: str = "") -> bytes:
    """The zipped `runner` as a shell script that first sets the science stack up, in the shell's words `setup`.

    Python finds a zip archive by its end, so that words may stand before it; bash reads no further than ``exec``.
    """
    words = _SHARED % {"setup": setup.rstrip("\n") + "\n" if setup else ""}
    return words.encode() + runner


_SHARED = """#!/bin/bash
# The quantum runner with what sets the science stack up. Jobs run where all of them see all files.
set -e
%(setup)sset +e
exec python3 "$0" "$@"
"""
