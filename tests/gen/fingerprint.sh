#!/bin/bash
# A checkpoint resumes in the model and training setup it is of, however those are compiled, and in no other.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cat >"$out/one.net" <<'T'
net one {
    batch  N = 4;
    input  x : f32[N, 6];
    target y : i32[N];
    h = x |> linear(8) |> batchnorm(momentum = 0.9) |> relu |> dropout(0.25) |> linear(3);
    output h;
    loss cross_entropy(h, y, label_smoothing = 0.1);
    optimizer adamw(lr = cosine(0.01, steps = 100), weight_decay = 0.01, clip_norm = 1.0);
}
T
awk -v OFS=, 'BEGIN { for (i = 0; i < 8; i++) print i, 1, i % 3, 2, i % 2, 0.5, i % 3 }' >"$out/x.csv"
train="train --in x=$out/x.csv:0-5 --in y=$out/x.csv:6 --quiet"
build() { # build NAME SED OPTION...: the program of the model so changed
    mkdir -p "$out/$1" && sed "$2" "$out/one.net" >"$out/$1/one.net" &&
        "$NETC" --emit=c,app "${@:3}" -o "$out/$1" "$out/$1/one.net" &&
        gcc -std=c11 -O0 -Iruntime -o "$out/$1/one" "$out/$1"/*.c "$B/libnetrt.a" ${SANITIZE:+-fsanitize=address,undefined} -lz -lm
}
resumes() { # resumes NAME SED OPTION...
    if build "$@" >"$out/log" 2>&1 && "$out/$1/one" $train --epochs 3 --resume "$out/ck" >"$out/log" 2>&1; then echo "ok $1 resumes"; else
        cat "$out/log"
        echo "FAILED $1 resumes"
    fi
}
refuses() { # refuses NAME WORDS SED OPTION...: and says so in these words
    local words=$2
    if ! build "$1" "${@:3}" >"$out/log" 2>&1; then
        cat "$out/log"
        echo "FAILED $1 is compiled"
    elif [ -z "${*:4}" ] && cmp -s "$out/one.net" "$out/$1/one.net"; then
        echo "FAILED $1 changes nothing"
    elif ! "$out/$1/one" $train --epochs 3 --resume "$out/ck" >"$out/log" 2>&1 && grep -q "$words" "$out/log"; then
        echo "ok $1 is refused"
    else
        cat "$out/log"
        echo "FAILED $1 is refused"
    fi
}
build first '' -O0 && "$out/first/one" $train --epochs 2 --checkpoint "$out/ck" >"$out/log" 2>&1 || cat "$out/log"
resumes O0 '' -O0
resumes O1 '' -O1
resumes O2 '' -O2
resumes train '' --mode train
resumes disable '' --disable=hoist,winograd,fuse
resumes comment 's/net one/# the same\n&/'
other='another model or training setup'
refuses activation "$other" 's/relu/tanh/'
refuses dropout "$other" 's/dropout(0.25)/dropout(0.5)/'
refuses momentum "$other" 's/momentum = 0.9/momentum = 0.8/'
refuses smoothing "$other" 's/smoothing = 0.1/smoothing = 0.2/'
refuses decay "$other" 's/decay = 0.01/decay = 0.02/'
refuses clip "$other" 's/clip_norm = 1.0/clip_norm = 2.0/'
refuses lr "$other" 's/cosine(0.01/cosine(0.02/'
refuses schedule "$other" 's/steps = 100/steps = 200/'
refuses rule "$other" 's/adamw/adam/'
refuses width "$other" 's/linear(8)/linear(9)/'
refuses scale "$other" 's/h = x/h = 2 * x/'
refuses dtype "is F32 in the file, and f64 in the model" '' --dtype f64
