#!/bin/bash
# Every folder of examples: its net compiles without a word, its C without a warning, it has a page and stands in the list.
# Made data is what the nets it is for take.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
result() { if [ "$1" = 0 ]; then echo "ok $2"; else echo "FAILED $2"; head -n 12 "$out/log"; fi; }
warn="-Wall -Wextra -Wpedantic -Wconversion -Werror"
compiles() { # compiles NAME: with both compilers
    local cc f
    rm -rf "$out/c"
    "$NETC" --verify --emit=c,app -o "$out/c" "examples/$1/$1.net" >"$out/log" 2>&1 && [ ! -s "$out/log" ] || return 1
    for cc in gcc clang; do
        for f in "$out"/c/*.c; do
            $cc -std=c11 $warn -Iruntime -I"$out/c" -fsyntax-only "$f" >"$out/log" 2>&1 || return 1
        done
    done
}
for folder in examples/*/; do
    name=$(basename "$folder")
    compiles "$name" && [ -s "$folder/README.md" ] && grep -q "^| $name |" examples/README.md
    result $? "examples/$name compiles, has a page and is listed"
done
takes() { # takes NAME KIND TARGET CONSTANT: two steps on made data of that kind
    local data=$out/made in=$out/$1
    python3 examples/made.py "$2" 8 1 "$data" >"$out/log" 2>&1 &&
        "$NETC" -D "$4" --emit=c,app -o "$in" "examples/$1/$1.net" >"$out/log" 2>&1 &&
        gcc -std=c11 -O1 -Iruntime -I"$in" -o "$in/run" "$in"/*.c "$B/libnetrt.a" ${SANITIZE:+-fsanitize=address,undefined} -lz -lm >"$out/log" 2>&1 &&
        "$in/run" train --in image="$data/image.npy" --in "$3=$data/$3.npy" --batch 4 --epochs 1 >"$out/log" 2>&1 &&
        grep -q "step 2 .*loss" "$out/log"
}
takes unet discs mask width=4
result $? "unet takes made discs"
takes resnet20 gratings label depth=1
result $? "resnet20 takes made gratings"
