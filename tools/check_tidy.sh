#!/bin/sh
# clang-tidy over all sources at zero warnings (.clang-tidy says which checks, and why not others).
# usage: CPPFLAGS="..." tools/check_tidy.sh [FILE...]
set -eu
if [ $# -eq 0 ]; then
    set -- $(git ls-files 'src/*.c')
fi
# -idirafter: gcc's own folder holds omp.h; clang's intrinsics must come first.
gcc_headers=$(dirname "$(gcc -print-file-name=include/omp.h)")
export gcc_headers
printf '%s\n' "$@" | xargs -P "$(nproc)" -I{} sh -c '
    case {} in
    *_avx2.c) isa="-mavx2 -mfma -mf16c" ;;
    *_avx512.c) isa="-mavx2 -mfma -mavx512f -mavx512bw -mavx512dq -mavx512vl" ;;
    *) isa= ;;
    esac
    clang-tidy --quiet --warnings-as-errors="*" {} -- -std=c11 -fopenmp $isa $CPPFLAGS \
        -idirafter "$gcc_headers" 2>/dev/null'
echo "tidy: ok"
