#!/usr/bin/env bash
# Gradescope runs this once, as root, when the autograder is uploaded: what the grader needs, in /autograder/source/.venv.
set -euo pipefail
source=${AUTOGRADER_SOURCE:-/autograder/source}
export DEBIAN_FRONTEND=noninteractive PIP_EXTRA_INDEX_URL=${PIP_EXTRA_INDEX_URL:-https://download.pytorch.org/whl/cpu}

apt-get update -qq
apt-get install -y -qq --no-install-recommends make bubblewrap libseccomp2 python3 python3-venv
if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  apt-get install -y -qq --no-install-recommends python3.11 python3.11-venv
fi
make -C "$source" install EXTRAS=instructor
