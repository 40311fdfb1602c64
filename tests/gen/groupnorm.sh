#!/bin/bash
# groupnorm of [N, channels]: over the channels of each group alone, by the formula.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cat >"$out/groups.net" <<'T'
net groups {
    batch N = 2;
    input x : f32[N, 8];
    output y = x |> groupnorm(4);
    output z = x |> groupnorm(2);
    loss mean(y) + mean(z);
    optimizer sgd(lr = 0);
}
T
printf '1,2,-1,0.5,3,3.5,0,4\n0.25,-0.5,8,2,1,1,-3,-7\n' >"$out/x.csv"
if "$NETC" --emit=c,app -o "$out/c" "$out/groups.net" >"$out/log" 2>&1 &&
    gcc -std=c11 -O1 -Iruntime -o "$out/groups" "$out"/c/*.c "$B/libnetrt.a" ${SANITIZE:+-fsanitize=address,undefined} -lz -lm >"$out/log" 2>&1 &&
    "$out/groups" train --in "x=$out/x.csv" --steps 1 --quiet --save "$out/w" >"$out/log" 2>&1 &&
    "$out/groups" infer --weights "$out/w" --in "x=$out/x.csv" --out "y=$out/y.csv" --out "z=$out/z.csv" >"$out/log" 2>&1; then
    for size in 2 4; do
        got=$out/y.csv
        [ $size = 4 ] && got=$out/z.csv
        awk -F, -v size=$size 'NR == FNR { for (i = 1; i <= NF; i++) got[FNR, i] = $i; next }
            { for (g = 0; g < NF; g += size) {
                mean = square = 0
                for (i = 1; i <= size; i++) mean += $(g + i) / size
                for (i = 1; i <= size; i++) square += ($(g + i) - mean) ^ 2 / size
                for (i = 1; i <= size; i++) {
                    d = ($(g + i) - mean) / sqrt(square + 1e-5) - got[FNR, g + i]
                    count++
                    if (d > 2e-6 || d < -2e-6) { print FNR, g + i, d; bad = 1 }
                } } }
            END { exit bad || count != 16 }' "$got" "$out/x.csv" >"$out/log"
        if [ $? = 0 ]; then echo "ok groups of $size channels"; else
            cat "$out/log"
            echo "FAILED groups of $size channels"
        fi
    done
else
    cat "$out/log"
    echo "FAILED groupnorm of [N, channels]"
fi
