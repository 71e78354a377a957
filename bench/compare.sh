#!/bin/sh
# Measures azr and what else a user could take, in turns on the same machine and weights, and prints
# medians and ratios. A peer that is not there is skipped, with a word.
#
# usage: bench/compare.sh [-m MODEL] [-f HF_FOLDER] [-s SHARED] [-l LLAMA_BATCHED_BENCH] [-p PYTHON]
#                         [-r ROUNDS] [-w "train decode step"]
#   -m  folder with the model's .gguf file                     default models/smollm2-135m
#   -f  the same weights as a Hugging Face folder, for PyTorch, transformers and TRL
#       (SHARED/peers/prepare.py MODEL.gguf FOLDER makes one)
#   -s  folder with peers/torch_train.py, hf_generate.py, trl_step.py and tasks.jsonl
#                                                              default $AZR_SHARED, else ../shared
#   -l  llama.cpp's llama-batched-bench
#   -p  Python with torch and transformers (for steps also trl) default python3
#   -r  rounds; the median counts                              default 3
# AZR_BINARY: default build/azr. Nothing is written but to a temporary folder.
set -eu

model=models/smollm2-135m folder= shared=${AZR_SHARED:-../shared} llama= python=python3 rounds=3
what="train decode step"
while getopts m:f:s:l:p:r:w: option; do
    case $option in
    m) model=$OPTARG ;;
    f) folder=$OPTARG ;;
    s) shared=$OPTARG ;;
    l) llama=$OPTARG ;;
    p) python=$OPTARG ;;
    r) rounds=$OPTARG ;;
    w) what=$OPTARG ;;
    *) sed -n '2,16p' "$0" >&2 && exit 1 ;;
    esac
done
azr=${AZR_BINARY:-build/azr}
peers=$shared/peers
threads=$(nproc)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# --- what is there --------------------------------------------------------------------------------

skip() { echo "skipped: $1: $2"; }

have_python() { # script, name
    if [ ! -f "$peers/$1" ]; then
        skip "$2" "$peers/$1 is not there"
    elif [ -z "$folder" ] || [ ! -f "$folder/config.json" ]; then
        skip "$2" "no Hugging Face folder (-f)"
    elif ! "$python" -c "import torch, transformers" 2> /dev/null; then
        skip "$2" "$python has no torch and transformers (-p)"
    else
        return 0
    fi
    return 1
}

gguf=$(find "$model/" -name '*.gguf' 2> /dev/null | head -n 1)
has_llama=yes
if [ -z "$llama" ] || [ ! -x "$llama" ]; then
    has_llama=no
elif [ -z "$gguf" ]; then
    has_llama=no
fi

# --- one measurement each: appends a number to $work/<name> ---------------------------------------

# The number of a key in the line of azr bench that is called name.
pick() { # name, key
    sed -n "s/.*\"bench\": *\"$1\".*\"$2\": *\([-0-9.e+]*\).*/\1/p" "$work/out"
}

run_azr() { # command, then its options
    "$azr" bench "$@" -m "$model" --json > "$work/out" || exit 1
}

# Runs a peer; on failure says why and writes no number.
run_peer() { # name, command ...
    name=$1
    shift
    if "$@" > "$work/out" 2> "$work/errors"; then
        return 0
    fi
    skip "$name" "$(tail -n 1 "$work/errors")"
    return 1
}

one_train() {
    run_azr train --sequences 8 --tokens 256 --repeats 2
    pick train tokens_per_second >> "$work/train.azr"
    pick train share >> "$work/train.share"
    dtype=$(sed -n 's/.*"bench": *"train".*"dtype": *"\([a-z0-9]*\)".*/\1/p' "$work/out")
    if have_python torch_train.py "PyTorch"; then
        for type in f32 bf16; do
            # Where the CPU has no bf16, PyTorch emulates it: minutes, and nobody would want it.
            [ "$type" = f32 ] || [ "$dtype" = bf16 ] || continue
            if run_peer "PyTorch $type" "$python" "$peers/torch_train.py" "$folder" $type 8 256 3; then
                sed -n 's/.* \([0-9.]*\) tokens\/s.*/\1/p' "$work/out" | sort -n | tail -n 1 \
                    >> "$work/train.PyTorch_$type"
            fi
        done
    fi
}

one_decode() {
    run_azr decode --streams 64 --prompt 128 --new 32 --repeats 1 # as often as the peers
    for part in prefill decode; do
        pick $part tokens_per_second >> "$work/$part.azr"
        pick $part share >> "$work/$part.share"
    done
    if have_python hf_generate.py "transformers"; then
        if run_peer transformers "$python" "$peers/hf_generate.py" "$folder" 64 128 32; then
            tail -n 1 "$work/out" | sed 's/prefill \([0-9.]*\) .*/\1/' >> "$work/prefill.transformers"
            tail -n 1 "$work/out" | sed 's/.*decode \([0-9.]*\) .*/\1/' >> "$work/decode.transformers"
        fi
    fi
    if [ $has_llama = no ]; then
        skip llama.cpp "no llama-batched-bench (-l), or no .gguf file in $model"
    elif run_peer llama.cpp "$llama" -m "$gguf" -c 12288 -t "$threads" -npp 128 -ntg 32 -npl 64; then
        # | PP | TG | B | N_KV | T_PP s | S_PP t/s | T_TG s | S_TG t/s | T s | S t/s |
        awk -F'|' '$4 + 0 == 64 { print $7 + 0 }' "$work/out" >> "$work/prefill.llama.cpp"
        awk -F'|' '$4 + 0 == 64 { print $9 + 0 }' "$work/out" >> "$work/decode.llama.cpp"
    fi
}

# Tokens of all sequences with their prompts, a second: as TRL counts them.
one_step() {
    tasks=
    [ ! -f "$peers/tasks.jsonl" ] || tasks="--tasks $peers/tasks.jsonl"
    # shellcheck disable=SC2086 # two words or none
    run_azr step --prompts 8 --answers 8 --new 32 --repeats 2 $tasks
    pick step tokens_per_second >> "$work/step.azr"
    pick step share >> "$work/step.share"
    have_python trl_step.py "TRL" || return 0
    if ! "$python" -c "import trl, datasets" 2> /dev/null; then
        skip TRL "$python has no trl and datasets"
    elif run_peer TRL sh -c 'cd "$1" && shift && "$@"' sh "$work" "$python" \
        "$(realpath "$peers/trl_step.py")" "$(realpath "$folder")" \
        "$(realpath "$peers/tasks.jsonl")" 3; then
        awk '$1 == "step" { n = $7; if (n > before && NR > 1) print (n - before) / $2; before = n }' \
            "$work/out" | sort -n | tail -n 1 >> "$work/step.TRL"
    fi
}

# --- in turns, then the table ---------------------------------------------------------------------

median() { sort -n "$1" | awk '{ x[NR] = $1 } END { print x[int((NR + 1) / 2)] }'; }

i=0
while [ "$i" -lt "$rounds" ]; do
    for name in $what; do
        case $name in
        train | decode | step) "one_$name" >> "$work/notes" ;;
        *) echo "compare.sh: unknown measure $name (train, decode, step)" >&2 && exit 1 ;;
        esac
    done
    i=$((i + 1))
done
[ ! -f "$work/notes" ] || sort -u "$work/notes"
echo "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $threads threads, $model;" \
    "tokens/s, medians of $rounds in turns"
printf '%-8s  %10s  %7s  %-14s  %10s  %7s\n' measure azr limit peer "peer's" ratio
for name in train prefill decode step; do
    [ -f "$work/$name.azr" ] || continue
    ours=$(median "$work/$name.azr")
    share=$(median "$work/$name.share")
    printf '%-8s  %10.1f  %6.1f%%\n' "$name" "$ours" \
        "$(awk "BEGIN { print 100 * $share }")"
    for file in "$work/$name".*; do
        peer=${file#"$work/$name".}
        case $peer in azr | share) continue ;; esac
        [ -s "$file" ] || continue
        theirs=$(median "$file")
        printf '%-8s  %10s  %7s  %-14s  %10.1f  %6.2fx\n' "" "" "" "$peer" "$theirs" \
            "$(awk "BEGIN { print $ours / $theirs }")"
    done
done
