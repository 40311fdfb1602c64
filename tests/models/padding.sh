#!/bin/bash
# embedding's padding_index: what the row starts as, how it reads, and that it is not trained. See padding.net and drive.c.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
build() { # build PROGRAM FILE ...
    $CC -std=c11 -Wall -Wextra -Wpedantic -Wconversion -Werror -O1 -DMODEL=padding_model -Iruntime -I"$out" \
        ${SANITIZE:+-fsanitize=address,undefined} -o "$out/$1" "$out"/padding{,_infer,_train}.c "$2" "$B/libnetrt.a" -lz -lm
}
"$NETC" --verify --dtype=f64 --emit=c,app -o "$out" tests/models/padding.net && build drive tests/models/drive.c &&
    build check "$out/padding_app.c" || { echo "FAILED padding: it does not compile"; exit 1; }
claim() { # claim NAME EXPECTED FOUND
    if [ "$2" = "$3" ]; then echo "ok padding $1"; else printf 'expected: %s\nfound:    %s\nFAILED padding %s\n' "$2" "$3" "$1"; fi
}
values() { awk -v name="$1" '$1 == name { $1 = ""; print }'; }
plain='set i 0 1 1 3\nset y 1 2 3 4 5 6\n'
loaded="${plain}set table.weight 1 2 3 4 5 6 7 8 9 10 11 12\nset tied.weight 1 2 3 4 5 6 7 8\n"

claim "the row starts as zeros" " 2 2 2 0 0 0 2 2 2 2 2 2" "$(printf 'tensors\n' | "$out/drive" | values table.weight)"
claim "a loaded row is read" " 1 2 3 4 5 6 4 5 6 10 11 12" "$(printf "${loaded}infer\n" | "$out/drive" | values seen)"
claim "its gradient is 0" " 1 2 3 0 0 0 0 0 0 4 5 6" "$(printf "${loaded}accumulate\ngrads\n" | "$out/drive" | values table.weight)"
claim "its use as a matrix has one" " 14 18" \
    "$(printf "${loaded}accumulate\ngrads\n" | "$out/drive" | values tied.weight | awk '{ print "", $7 * 7, $8 * 7 }')"
"$out/check" check --samples 0 >"$out/log"
claim "check leaves the row out" "0: 9 of 12 elements, 3 left out" \
    "$?: $(sed -n 's/^ok *table.weight *\(.*elements\).*\(, [0-9]* left out\).*/\1\2/p' "$out/log")"
