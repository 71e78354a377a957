#!/bin/sh
# Every C file is as clang-format leaves it (.clang-format).
set -eu
git ls-files -z 'src/*.[ch]' 'src/*.inc' 'include/*.h' 'tests/*.[ch]' 'bench/*.[ch]' |
    xargs -0 clang-format --dry-run -Werror
echo "format: ok"
