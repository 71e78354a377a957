#!/bin/sh
# Includes point downward only: every "azr/<room>.h" and "<room>/..." that a file of a room includes
# must be its own or stand in the room's line of tools/layers.txt; private headers ("<room>/...") of
# other rooms are never included, but for base, which is a toolbox.
set -eu

find src include -name '*.[ch]' -o -name '*.inc' | LC_ALL=C sort | xargs awk '
    # status.h belongs to base, literal.h to executor, program.h and claim.h to tasks.
    function room_of_header(name) {
        if (name == "status") return "base"
        if (name == "literal") return "executor"
        if (name == "program" || name == "claim") return "tasks"
        return name
    }
    FILENAME == "tools/layers.txt" {
        if ($0 ~ /^#/ || $0 == "") next
        split($0, halves, ":")
        rooms[halves[1]] = 1
        n = split(halves[2], below, " ")
        for (i = 1; i <= n; i++) allowed[halves[1], below[i]] = 1
        next
    }
    FNR == 1 {
        n = split(FILENAME, parts, "/")
        if (parts[1] == "src") {
            room = parts[2]
        } else {
            room = parts[3]
            sub(/\.h$/, "", room)
            room = room_of_header(room)
        }
        if (!(room in rooms)) {
            printf "%s: room %s has no line in tools/layers.txt\n", FILENAME, room
            bad++
        }
    }
    /^[ \t]*#[ \t]*include[ \t]*"/ {
        path = $0
        sub(/^[^"]*"/, "", path)
        sub(/".*/, "", path)
        n = split(path, parts, "/")
        if (n < 2) {
            printf "%s:%d: include \"%s\" must name its room\n", FILENAME, FNR, path
            bad++
            next
        }
        public = parts[1] == "azr"
        target = parts[1]
        if (public) {
            target = parts[2]
            sub(/\.h$/, "", target)
            target = room_of_header(target)
        }
        if (!(target in rooms)) {
            printf "%s:%d: %s is in no known room\n", FILENAME, FNR, path
            bad++
        } else if (target != room && !((room, target) in allowed)) {
            printf "%s:%d: room %s may not include %s\n", FILENAME, FNR, room, path
            bad++
        } else if (target != room && !public && target != "base") {
            printf "%s:%d: %s is private to room %s\n", FILENAME, FNR, path, target
            bad++
        }
    }
    END { exit bad > 0 }' tools/layers.txt
echo "layers: ok"
