#!/bin/bash
# Plans the workflow of this folder:  ./plan.sh [options of pegasus-plan, such as --submit]
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
cd "$here"
export RUBINCWL_OUT=${here%/*}

if left=$(grep -HnoE -m 3 '@[A-Z][A-Z_]*@' sites.yml *replicas.yml transformations.yml pegasus.properties); then
    echo "plan.sh: placeholders are left; compile again with the settings, or replace them:" >&2
    echo "$left" >&2
    exit 2
fi
if [[ ! $RUBINCWL_OUT =~ ^[A-Za-z0-9._/+-]+$ ]]; then
    echo "plan.sh: Pegasus cannot work in a folder of this name: $RUBINCWL_OUT" >&2
    exit 2
fi
while read -r needed; do
    if [[ ! -f $RUBINCWL_OUT/$needed ]]; then
        echo "plan.sh: $RUBINCWL_OUT/$needed is missing: copy the whole output folder, not pegasus/ alone" >&2
        exit 2
    fi
done < <(grep -hoE '[$][{]RUBINCWL_OUT[}]/[^" ]+' *replicas.yml transformations.yml | cut -d / -f 2- | sort -u)
if ! command -v pegasus-plan >/dev/null; then
    echo "plan.sh: no pegasus-plan on the PATH: run this on the submit host" >&2
    exit 2
fi

# Where Pegasus is installed on workers that share a folder: as here, unless it is said.
export PEGASUS_HOME=${PEGASUS_HOME:-$(dirname "$(dirname "$(readlink -f "$(command -v pegasus-plan)")")")}

# The site that stages and keeps results; sub-workflows name it by this variable.
export RUBINCWL_STAGING=compute
# Pegasus reports each run to its developers unless it is told not to.
export PEGASUS_METRICS=false
# Java 17 writes job scripts in the locale's encoding.
export LC_ALL=C.UTF-8
exec pegasus-plan --conf pegasus.properties --sites compute --staging-site compute=$RUBINCWL_STAGING \
    --output-sites $RUBINCWL_STAGING --dir "$here/submit" "$@" workflow.yml
