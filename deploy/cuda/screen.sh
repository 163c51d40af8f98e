#!/bin/bash
# One `screener` command on this workstation, with one worker per GPU and workers for chemistry on the other cores:
#
#     deploy/cuda/screen.sh screen my-library --out my-campaign --preset electrolyte-solvent
#
# CUDA_VISIBLE_DEVICES=0,2 uses these devices alone. SCREENER_VENV names the environment that holds `screener`.
set -euo pipefail
[ $# -gt 0 ] || { echo "usage: $0 screen LIBRARY --out CAMPAIGN [options of screener]" >&2; exit 2; }
exec "${SCREENER_VENV:-.venv}/bin/screener" "$@" --cluster "${SCREENER_CLUSTER:-cuda}"
