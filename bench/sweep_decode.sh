#!/bin/sh
# Measures generation at several widths (streams decoded together) and lengths of context; prints JSON
# lines: streams, prompt, new, seconds, tokens_per_second, share, limit (GFLOP/s). bench/plot.py draws
# them.
#
# usage: bench/sweep_decode.sh MODEL [REPEATS] > docs/performance/decode_DTYPE.jsonl
# DTYPE: bf16 or f32, as `azr bench` says it multiplies (AZR_CPU=avx2: f32)
# AZR_BINARY: default build/azr
set -eu
azr=${AZR_BINARY:-build/azr}
model=$1 repeats=${2:-2}
number() { sed -n "s/.*\"bench\": *\"$2\".*\"$3\": *\([-0-9.e+]*\).*/\1/p" "$1"; }
out=$(mktemp)
trap 'rm -f "$out"' EXIT
# streams x prompt: ever wider, then ever longer
for shape in 1x128 2x128 4x128 8x128 16x128 32x128 64x128 128x128 256x128 \
    8x256 8x512 8x1024 8x2048 8x4064; do
    "$azr" bench decode -m "$model" --streams "${shape%x*}" --prompt "${shape#*x}" --new 32 \
        --repeats "$repeats" --json > "$out"
    printf '{"streams": %d, "prompt": %d, "new": 32, "seconds": %s, "tokens_per_second": %s, ' \
        "${shape%x*}" "${shape#*x}" "$(number "$out" decode seconds)" \
        "$(number "$out" decode tokens_per_second)"
    printf '"share": %s, "limit": %s}\n' "$(number "$out" decode share)" \
        "$(number "$out" limit gflops)"
done
