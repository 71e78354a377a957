#!/bin/bash
# The limits of size and the banned calls. Fails on any line marked "fail"; "warn" lines are for
# reading. Exceptions stand in tools/limits_allow.txt, each with its reason.
set -u
export LC_ALL=C.UTF-8
found=$(mktemp)
trap 'rm -f "$found"' EXIT

mapfile -t sources < <(find src -name '*.c' | sort)
mapfile -t headers < <(find include -name '*.h' | sort)
mapfile -t all < <(find src include tests -name '*.[ch]' -o -name '*.inc' | sort)

# Lines of a file: .c 500 / 1000, public header 250 / 400.
lines() { # word warn fail files...
    local word=$1 warn=$2 fail=$3 file n
    shift 3
    for file in "$@"; do
        n=$(wc -l <"$file")
        if [ "$n" -gt "$fail" ]; then
            echo "fail $file: $n lines, the limit for a $word is $fail"
        elif [ "$n" -gt "$warn" ]; then
            echo "warn $file: $n lines, over $warn"
        fi
    done
}
{
    lines ".c file" 500 1000 "${sources[@]}"
    lines "public header" 250 400 "${headers[@]}"

    # Functions: length 60 / 100 lines, cyclomatic complexity 15 / 25 (a switch counts once).
    pmccabe "${sources[@]}" | awk '{
        name = $6 " " $7
        if ($5 > 100) printf "fail %s: %d lines, the limit for a function is 100\n", name, $5
        else if ($5 > 60) printf "warn %s: %d lines, over 60\n", name, $5
        if ($1 > 25) printf "fail %s: complexity %d, the limit is 25\n", name, $1
        else if ($1 > 15) printf "warn %s: complexity %d, over 15\n", name, $1
    }'

    # Width: 100 columns.
    grep -nE '^.{101,}$' "${all[@]}" /dev/null | sed -E 's/^([^:]*:[0-9]+):.*/fail \1: over 100 columns/'

    # Banned everywhere: they cannot be used safely, or hide a shell, or skip the one door to the heap.
    grep -nE '\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|system|popen|alloca|atoi|atof|tmpnam)\(' \
        "${sources[@]}" | grep -vE '^[^:]*:[0-9]+: *(/?\*|//)' |
        sed -E 's/^([^:]*:[0-9]+):.*\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|system|popen|alloca|atoi|atof|tmpnam)\(.*/fail \1: banned call \2/'
    grep -nE '\b(malloc|calloc|realloc|aligned_alloc)\(' "${sources[@]}" | grep -v '^src/base/memory.c:' |
        sed -E 's/^([^:]*:[0-9]+):.*/fail \1: allocates past base\/memory.h/'

    # Below app/ nobody prints or ends the process.
    grep -nE '\b(printf|puts|putchar|perror|exit|abort|quick_exit)\(|\b(fprintf|fputs|vfprintf)\((stdout|stderr)|fputs\(.*, *(stdout|stderr)\)' \
        $(find src -name '*.c' -not -path 'src/app/*' | sort) |
        sed -E 's/^([^:]*:[0-9]+):.*/fail \1: prints or exits below app\//'
} >"$found"

# Each public header compiles alone, strictly.
for header in "${headers[@]}" $(find src/base -name '*.h' | sort); do
    if ! gcc -std=c11 -pedantic -Wall -Wextra -Werror -fsyntax-only -Iinclude -Isrc -D_GNU_SOURCE \
        -x c "$header"; then
        echo "fail $header: does not compile alone" >>"$found"
    fi
done

# An allowed line is "<file> <reason>": it lifts "prints or exits" and "allocates past" for that file.
while read -r file _; do
    case "$file" in '' | '#'*) continue ;; esac
    sed -i -E "\\#^fail $file:[0-9]+: (prints|allocates)#d" "$found"
done <tools/limits_allow.txt

grep '^warn' "$found"
if grep '^fail' "$found"; then
    exit 1
fi
echo "limits: ok"
