#!/bin/bash
# An output that is the class of a label: the generated program writes the label's words where it writes text.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
result() { if [ "$1" = 0 ]; then echo "ok $2"; else echo "FAILED $2"; head -n 30 "$out/log"; fi; }
cat >"$out/kinds.net" <<'T'
net kinds {
    batch N = 8;
    input x : f32[N, 3];
    target kind : i32[N];
    target size : i32[N];
    y = x |> linear(3);
    z = x |> linear(2);
    output y;
    output best = argmax(softmax(y));
    output large = argmax(z);
    output widest = argmax(x);              # of as many as there are kinds, but nothing learnt
    output next = argmax(y) + 1;
    loss cross_entropy(y, kind) + cross_entropy(z, size);
    metric kinds = accuracy(y, kind);
    optimizer adam(lr = 0.1);
}
T
"$NETC" --emit=c,app,ir -o "$out/c" "$out/kinds.net" >"$out/log" 2>&1 &&
    gcc -std=c11 -O1 -Wall -Wextra -Werror -Iruntime -o "$out/kinds" "$out"/c/*.c "$B/libnetrt.a" ${SANITIZE:+-fsanitize=address,undefined} -lz -lm >"$out/log" 2>&1
result $? "compiles"
grep -o 'output .*name = [a-z]*\(, labels = [a-z]*\)\?' "$out/c/kinds.ir" | sed 's/output %[a-z0-9]*, //' >"$out/got"
diff - "$out/got" >"$out/log" <<'T'
name = y
name = best, labels = kind
name = large, labels = size
name = widest
name = next
T
result $? "which outputs are numbers of which label"
awk -v OFS=, 'BEGIN { split("oak ash elm", k, " "); for (i = 0; i < 60; i++) print i % 3 == 0, i % 3 == 1, i % 3 == 2, k[i % 3 + 1], i % 3 ? "tall" : "low" }' >"$out/x.csv"
train="--in x=$out/x.csv:0-2 --in kind=$out/x.csv:3 --in size=$out/x.csv:4"
"$out/kinds" train $train --epochs 40 --quiet --save "$out/w" --checkpoint "$out/ck" >"$out/log" 2>&1
result $? "learns"
for from in w ck; do
    "$out/kinds" infer --in "x=$out/x.csv:0-2" --weights "$out/$from" --out "best=$out/best.csv" --out "large=$out/large.TSV" \
        --out "widest=$out/widest.csv" --out "next=$out/next.csv" >"$out/log" 2>&1 &&
        cut -d, -f4 "$out/x.csv" | diff - "$out/best.csv" >"$out/log" && cut -d, -f5 "$out/x.csv" | diff - "$out/large.TSV" >"$out/log" &&
        ! grep -q '[^0-9]' "$out/widest.csv" "$out/next.csv"
    result $? "words where they are known, numbers elsewhere, from $from"
done
tac "$out/x.csv" >"$out/turned.csv"
"$out/kinds" train ${train//x.csv/turned.csv} --epochs 41 --resume "$out/ck" --checkpoint "$out/ck" --quiet >"$out/log" 2>&1 &&
    "$out/kinds" eval $train --weights "$out/ck" 2>>"$out/log" | tee -a "$out/log" | grep -q '^kinds 1.000000$' && ! grep -q ' is ' "$out/log"
result $? "a run resumed on data in another order keeps the numbers"
"$out/kinds" infer --in "x=$out/x.csv:0-2" --weights "$out/w" --out "best=$out/best.npy" >"$out/log" 2>&1 &&
    [ "$(stat -c %s "$out/best.npy")" = $((128 + 60 * 4)) ]
result $? "numbers in .npy"
