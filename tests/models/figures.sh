#!/bin/bash
# Models beside PyTorch's figures: MODEL.net is driven by the commands of MODEL.in (drive.c) in f64, and what it prints is
# tests/reference/MODEL.txt. The figures are made by tests/reference/MODEL.py.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
near() { # near TOLERANCE EXPECTED GOT: the same words, and numbers within TOLERANCE, relative above 1
    paste -d '\n' "$2" "$3" | awk -v most="$1" '
        NR % 2 { line = $0; next }
        { n = split(line, want, " "); if (n != NF || want[1] != $1) { print "expected: " line; print "found:    " $0; bad = 1; next }
          for (i = 2; i <= n; i++) {
              d = want[i] - $i; size = want[i] < 0 ? -want[i] : want[i]
              if (d < 0) d = -d
              if ($i !~ /^-?[0-9]/ || !(d <= most * (size > 1 ? size : 1))) { printf "%s, value %d: expected %s, found %s\n", $1, i - 1, want[i], $i; bad = 1; break } } }
        END { exit bad || !NR }'
}
for commands in tests/models/*.in; do
    name=$(basename "$commands" .in)
    dir=$out/$name
    if "$NETC" --verify --dtype=f64 --emit=c -o "$dir" "tests/models/$name.net" &&
        $CC -std=c11 -O0 -DMODEL="${name}_model" -Iruntime ${SANITIZE:+-fsanitize=address,undefined} -o "$dir/drive" \
            tests/models/drive.c "$dir/$name"*.c "$B/libnetrt.a" -lz -lm &&
        "$dir/drive" <"$commands" >"$dir/found" && near 1e-9 "tests/reference/$name.txt" "$dir/found"; then
        echo "ok $name"
    else
        echo "FAILED $name"
    fi
done
