#!/bin/bash
# An index or a label out of range is an error of the call also where only a scan's steps see it. See scan_range.net.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
"$NETC" --verify --dtype=f64 --emit=c -o "$out" tests/models/scan_range.net &&
    $CC -std=c11 -O0 -DMODEL=scan_range_model -Iruntime -I"$out" ${SANITIZE:+-fsanitize=address,undefined} -o "$out/drive" \
        tests/models/drive.c "$out"/scan_range*.c "$B/libnetrt.a" -lz -lm || { echo "FAILED scan_range: it does not compile"; exit 1; }
good='set i 0 1 2 3\nset b 0 1 2 4\nset k 0 1 2 3 4 5 5 0\nset t 0 1 2 -100\n'
claim() { # claim NAME COMMANDS EXPECTED: the first word of the first line that comes out
    found=$(printf "$good$2\n" | "$out/drive" | head -n 1 | cut -d ' ' -f 1)
    if [ "$found" = "$3" ]; then echo "ok scan_range $1"; else echo "FAILED scan_range $1: $found"; fi
}
claim "all in range" infer walked
claim "an index above" 'set i 0 1 4 3\ninfer' error
claim "an index below" 'set i 0 -1 2 3\ninfer' error
claim "an index of bytes" 'set b 0 1 5 3\ninfer' error
claim "an index in a scan's scan, in a block with a gradient of its own" 'set k 0 1 2 3 4 5 6 0\ninfer' error
claim "labels in range" eval loss
claim "a label above" 'set t 0 1 3 0\neval' error
