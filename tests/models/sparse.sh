#!/bin/bash
# Layer sparse_linear: values beside dense matrices, evolution, files (sparse.c); gradients beside central differences.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
try() { # try NETC-OPTIONS REAL TOLERANCE
    local flags="-std=c11 -O1 -Wall -Wextra -Wpedantic -Wconversion -Werror -Iruntime -I$out ${SANITIZE:+-fsanitize=address,undefined}"
    rm -f "$out"/*
    if "$NETC" $1 --verify --emit=c,app -o "$out" tests/models/sparse.net &&
        $CC $flags -o "$out/app" "$out"/sparse*.c "$B/libnetrt.a" -lz -lm && rm "$out/sparse_app.c" &&
        $CC $flags -Wno-conversion -DREAL="$2" -DTOLERANCE="$3" -DFOLDER="\"$out\"" -o "$out/run" tests/models/sparse.c \
            "$out"/sparse*.c "$B/libnetrt.a" -lz -lm && "$out/run" &&
        { [ "$2" = float ] || "$out/app" check >"$out/log" || { cat "$out/log"; false; }; }; then
        echo "ok sparse $1"
    else
        echo "FAILED sparse $1"
    fi
}
try "-O0" float 1e-5
try "-O2" float 1e-5
try "-O0 --dtype=f64" double 1e-13
try "-O2 --dtype=f64" double 1e-13

# The program rewires between epochs: three epochs are one and then, resumed, two more; and not what one long epoch gives.
runs() {
    local data="--in x=$out/data.csv:0-11 --in l=$out/data.csv:12 --quiet --batch 8"
    awk 'BEGIN { for (i = 0; i < 40; i++) { for (k = 0; k < 12; k++) printf "%g,", sin(i * 7 + k * k); print i % 3 } }' >"$out/data.csv"
    "$out/app" train $data --seed 3 --epochs 3 --checkpoint "$out/whole" --save "$out/trained" &&
        "$out/app" train $data --seed 3 --epochs 1 --checkpoint "$out/part" --save "$out/one" &&
        "$out/app" train $data --resume "$out/part" --epochs 3 --checkpoint "$out/resumed" &&
        cmp "$out/whole" "$out/resumed" && places "$out/trained" >"$out/a" && places "$out/one" >"$out/b" && ! cmp -s "$out/a" "$out/b"
}
places() { # the bytes of a file's rows
    python3 - "$1" <<'P'
import json, struct, sys
b = open(sys.argv[1], "rb").read()
n = struct.unpack("<Q", b[:8])[0]
at = json.loads(b[8:8 + n])["sparse_linear_1.weight_rows"]["data_offsets"]
print(b[8 + n + at[0]:8 + n + at[1]].hex())
P
}
if runs; then echo "ok sparse program"; else echo "FAILED sparse program"; fi
