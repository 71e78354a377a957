#!/bin/sh
# Measures one training step (forward, backward, AdamW) at several numbers and lengths of sequences;
# prints JSON lines: sequences, length, tokens, seconds, share, gflops of the limit. bench/plot.py
# draws them.
#
# usage: bench/sweep_train.sh MODEL [REPEATS] > docs/performance/train_DTYPE.jsonl
# DTYPE: bf16 or f32, as `azr bench` says it multiplies (AZR_CPU=avx2: f32)
# AZR_BINARY: default build/azr
set -eu
azr=${AZR_BINARY:-build/azr}
model=$1 repeats=${2:-2}
number() { sed -n "s/.*\"bench\": *\"$2\".*\"$3\": *\([-0-9.e+]*\).*/\1/p" "$1"; }
out=$(mktemp)
trap 'rm -f "$out"' EXIT
# sequences x tokens: many short ones, then one long one
for shape in 1x32 1x64 1x128 1x256 2x256 4x256 8x256 16x256 1x512 1x1024 1x2048 1x4096; do
    "$azr" bench train -m "$model" --sequences "${shape%x*}" --tokens "${shape#*x}" \
        --set micro_batch_tokens=4096 --set recompute=false --repeats "$repeats" --json > "$out"
    printf '{"sequences": %d, "length": %d, "tokens": %d, "seconds": %s, "share": %s, "limit": %s}\n' \
        "${shape%x*}" "${shape#*x}" "$(number "$out" train tokens | sed 's/\..*//')" \
        "$(number "$out" train seconds)" "$(number "$out" train share)" \
        "$(number "$out" limit gflops)"
done
