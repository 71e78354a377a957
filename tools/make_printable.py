#!/usr/bin/python3
"""Writes src/executor/printable.c: the code points that Python's repr prints as they are.
Run with the Python whose repr is to be matched; its version goes into the file."""
import sys, unicodedata

ranges = []
for c in range(0x80, 0x110000):
    if chr(c).isprintable():
        if ranges and ranges[-1][1] == c - 1:
            ranges[-1][1] = c
        else:
            ranges.append([c, c])
print('/* printable.c: which characters Python\'s repr prints as they are. Made by')
print(' * tools/make_printable.py with CPython %d.%d (Unicode %s). */' % (
    *sys.version_info[:2], unicodedata.unidata_version))
print('#include "executor/literal_node.h"\n')
print('#include "base/check.h"\n')
print('/* clang-format off: first and last of each range, in order. */')
print('static const uint32_t printable_ranges[][2] = {')
line = '   '
for first, last in ranges:
    item = ' {0x%x,0x%x},' % (first, last)
    if len(line) + len(item) > 100:
        print(line)
        line = '   '
    line += item
print(line)
print('};')
print('/* clang-format on */\n')
print('''/* For code points from 0x80 on. */
bool azr_literal__printable(uint32_t code_point)
{
    size_t low = 0, high = AZR_COUNT(printable_ranges);
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (code_point > printable_ranges[middle][1])
            low = middle + 1;
        else
            high = middle;
    }
    return low < AZR_COUNT(printable_ranges) && code_point >= printable_ranges[low][0];
}''')
