#!/bin/sh
# Runs test programs, each as a process with a time limit, and sums what cmocka reports.
# usage: [BUILD=build] [TEST_TIMEOUT=900] tools/run_tests.sh PROGRAM...
# The last line is "N passed, N failed, N skipped"; the exit code is 1 when anything failed.
#
# A test counts as failed unless its own line says OK or SKIPPED: so tests that a crash or the time
# limit took away count as failed too. A program that ends badly although all its tests passed (a
# leak, a failing teardown) counts as one failure more. The log of a program that failed is printed;
# all logs lie in $BUILD/test-logs.
set -u

build=${BUILD:-build}
limit=${TEST_TIMEOUT:-900}
logs=$build/test-logs
mkdir -p "$logs"
AZR_BINARY=${AZR_BINARY:-$build/azr}
export AZR_BINARY
total_passed=0
total_failed=0
total_skipped=0

for program in "$@"; do
    name=${program#"$build"/}
    log=$logs/$(echo "${name#tests/}" | tr / -).log
    start=$(date +%s)
    timeout -k 10 "$limit" "$program" >"$log" 2>&1 </dev/null
    code=$?
    seconds=$(($(date +%s) - start))
    # Between "Running N test(s)" and "N test(s) run" each test has one line; the lists after that
    # repeat names.
    counts=$(LC_ALL=C awk '
        /\[==========\] .*Running [0-9]+ test/ {
            text = $0; sub(/.*Running /, "", text); planned += text + 0; listing = 0
        }
        /\[==========\] .*[0-9]+ test\(s\) run/ { listing = 1 }
        !listing && /\[       OK \]/ { passed++ }
        !listing && /\[  SKIPPED \]/ { skipped++ }
        END { print passed + 0, skipped + 0, planned + 0 }' "$log")
    set -- $counts
    passed=$1
    skipped=$2
    failed=$(($3 - $1 - $2))
    [ "$failed" -ge 0 ] || failed=0
    note=
    if [ "$code" = 124 ] || [ "$code" = 137 ]; then
        note=" (over the limit of $limit s)"
    elif [ "$code" -ge 128 ]; then
        note=" (killed by signal $((code - 128)))"
    fi
    if [ "$code" != 0 ] && [ "$failed" = 0 ]; then
        failed=1
        [ -n "$note" ] || note=" (exit code $code)"
    elif [ "$3" = 0 ]; then
        failed=1
        note=" (no test ran)"
    fi
    total_passed=$((total_passed + passed))
    total_failed=$((total_failed + failed))
    total_skipped=$((total_skipped + skipped))
    if [ "$failed" = 0 ]; then
        word=ok
    else
        word=FAIL
        sed 's/^/    /' "$log" | tail -n 60
    fi
    printf '%-4s %-44s %3d passed %3d failed %3d skipped %4d s%s\n' "$word" "$name" "$passed" \
        "$failed" "$skipped" "$seconds" "$note"
done

echo "$total_passed passed, $total_failed failed, $total_skipped skipped"
[ "$total_failed" = 0 ]
