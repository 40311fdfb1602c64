#!/bin/bash
# --max-bytes, where computing again is not enough: training takes a batch in parts, and gives what it gives at once, but for
# the order of sums over samples. Gradients stand beside those of the program without a limit, in f64 and f32; so do losses
# and weights after some steps (plain steps: others make much of gradients that are nothing but rounding).
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
result() { if [ "$1" = 0 ]; then echo "ok $2"; else echo "FAILED $2"; head -n 10 "$out/log"; fi; }
cat >"$out/mixed.net" <<'N'
# An embedding, dropout, two losses, of which one ignores targets, a penalty on weights, statistics of an input, a state.
net mixed {
    batch  N = 15;
    input  x : f32[N, 8];
    input  i : i32[N];
    target label : i32[N];
    target y : f32[N, 4];
    state  calls : f32[] = zeros;
    update calls = calls + 1;
    e = i |> embedding(3, 8);
    a = x - mean(x, axes = 0, keepdims = true);
    wide = linear(96);
    h = a + e |> wide |> relu |> dropout(0.3) |> linear(16) |> tanh;
    out = h |> linear(4);
    output out;
    loss cross_entropy(out, label, ignore_index = 2);
    loss mse(out, y) + 0.01 * mean(h * h);
    loss 0.001 * sum(wide.weight * wide.weight);
    metric hits = accuracy(out, label);
    optimizer sgd(lr = 0.1);
}
N
cat >"$out/images.net" <<'N'
net images {
    batch  N = 10;
    input  image : u8[N, 1, 12, 12];
    target label : i32[N];
    h = f32(image) / 2 |> conv2d(8, kernel = 3, pad = 1) |> relu |> maxpool2d(2) |> conv2d(16, kernel = 3, pad = 1)
                       |> groupnorm(4) |> relu |> avgpool2d(2) |> flatten |> linear(16) |> layernorm |> gelu;
    logits = h |> linear(3);
    output logits;
    loss cross_entropy(logits, label);
    optimizer sgd(lr = 0.05, momentum = 0.9);
}
N
cat >"$out/scans.net" <<'N'
net scans {
    batch  N = 12;
    input  token : u8[N, 9];
    target next : i32[N, 9];
    logits = i32(token) |> embedding(8, 16) |> lstm(24) |> first |> gru(16) |> first |> linear(3);
    output logits;
    loss cross_entropy(logits, next);
    metric accuracy = accuracy(logits, next);
    optimizer sgd(lr = 0.5);
}
N
cat >"$out/words.net" <<'N'
net words {
    batch  N = 8;
    input  token : u8[N, 12];
    target next : i32[N, 12];
    tokens = embedding(8, 16);
    h = i32(token) |> tokens;
    for i in 0..2 {
        h = h + (h |> layernorm |> multi_head_attention(2, causal = true) |> dropout(0.2));
        p = softmax((h @ transpose(h, [0, 2, 1])) / 4, axis = -1) |> dropout(0.3); # drawn within the attention
        h = h + p @ h;
        h = h + (h |> layernorm |> linear(64) |> gelu |> linear(16));
    }
    logits = h |> layernorm |> linear(3);
    output logits;
    loss cross_entropy(logits, next);
    optimizer sgd(lr = 0.1);
}
N
cat >"$out/windows.net" <<'N'
net windows {
    batch  N = 16;
    input  image : f32[N, 3, 16, 16];
    target label : i32[N];
    h = image |> conv2d(16, kernel = 3, pad = 1) |> relu |> maxpool2d(2) |> conv2d(32, kernel = 3, pad = 1) |> relu |> maxpool2d(2)
              |> conv2d(64, kernel = 3, pad = 1) |> relu |> maxpool2d(2);
    logits = h |> flatten |> linear(10);
    output logits;
    loss cross_entropy(logits, label);
    optimizer sgd(lr = 0.05);
}
N
commands='accumulate\ngrads\naccumulate\ngrads\nstep\nstep\nstep\naccumulate\ngrads\ntensors\neval\ninfer\nn 7\naccumulate\ngrads\nn 1\naccumulate\ngrads\nstep\ntensors\n'
labels='set label 0 2 2 1 0 2 1 2 2 2 2 2 0 1 1\n' # of `mixed`: how many count differs from part to part
# compiled FOLDER NET OPTIONS...: the files there, and drive
compiled() {
    local to=$1 net=$2
    shift 2
    "$NETC" --verify -v "$@" -o "$to" "$out/$net.net" >"$out/log" 2>&1 && cp "$out/log" "$to/v" &&
        $CC -std=c11 -O1 ${FLAGS:-} ${SANITIZE:+-fsanitize=address,undefined} -DMODEL="${net}_model" -Iruntime -I"$to" -o "$to/drive" \
            tests/models/drive.c "$to/$net"*.c "$B/libnetrt.a" -lz -lm >"$out/log" 2>&1
}
train_bytes() { sed -n "s/^#define .*_TRAIN_BYTES (\([0-9]*\) .*/\1/p" "$1"; }
parts() { sed -n 's/^train *a batch goes in \([0-9]*\) parts* of at most.*/\1/p' "$1/v"; }
# near LIMIT: whether $out/a and $out/b hold the same names with values that differ by that much of each line's largest.
near() {
    awk -v limit="$1" 'FNR == NR { a[FNR] = $0; next }
        { lines++
          if (split(a[FNR], x, " ") != NF || x[1] != $1) { print "line " FNR " is another"; exit 1 }
          top = far = 0
          for (i = 2; i <= NF; i++) {
              if (x[i] + 0 != x[i] + 0 || x[i] ~ /nan|inf/) { print "no number"; exit 1 }
              v = x[i] < 0 ? -x[i] : x[i]; d = x[i] - $i; d = d < 0 ? -d : d
              top = v > top ? v : top; far = d > far ? d : far
          }
          if (far > limit * top) { print $1 " (line " FNR "): " far " beside " top; exit 1 } }
        END { if (!lines) { print "nothing"; exit 1 } }' "$out/a" "$out/b" >"$out/log"
}
least_of() { sed -n 's/.* takes \([0-9]*\) bytes, .*/\1/p' "$1" | head -n 1; }

# Sums of some hundred terms in another order: a few units of the last place, times what three steps make of it.
for net in ${NETS:-mixed images scans words windows}; do
    for how in "--dtype f64" "--dtype f32" "--dtype f64 -O0"; do
        [ "$net" != windows ] || [ "$how" = "--dtype f32" ] || continue # f64 has no form by Winograd's method
        [ "$net $how" != "words --dtype f64 -O0" ] || continue # a thousand operations by themselves: a minute for the plan alone
        limit=1e-12
        [ "$how" != "--dtype f32" ] || limit=2e-5
        compiled "$out/all" $net $how || { result 1 "$net $how: compiles"; continue; }
        "$NETC" $how --max-bytes 1 -o "$out/none" "$out/$net.net" 2>"$out/log" >&2
        least=$(least_of "$out/log") all=$(train_bytes "$out/all/$net.h")
        given=$commands
        [ $net != mixed ] || given=$labels$commands
        printf "$given" | "$out/all/drive" >"$out/a"
        printf 'infer\nn 1\ninfer\n' | "$out/all/drive" >"$out/exact"
        more=$((least + (all - least) / 8))
        [ "$how" != "--dtype f64 -O0" ] || more=
        for most in "$least" $more; do
            compiled "$out/less" $net $how --max-bytes "$most"
            result $? "$net $how: compiles in $most bytes"
            echo "$(parts "$out/less") parts, $(train_bytes "$out/less/$net.h") of $most, $all" >"$out/log"
            { [ "$most" != "$least" ] || [ "$(parts "$out/less")" -ge 2 ]; } && [ "$(train_bytes "$out/less/$net.h")" -le "$most" ]
            result $? "$net $how: goes in parts, and takes no more than it may"
            printf "$given" | "$out/less/drive" >"$out/b"
            printf 'infer\nn 1\ninfer\n' | "$out/less/drive" | cmp - "$out/exact" >"$out/log" 2>&1
            result $? "$net $how: inference, which sums up nothing, to the bit"
            near $limit
            result $? "$net $how: the same gradients, losses and weights in $(parts "$out/less") parts"
        done
        "$NETC" $how --max-bytes $((least * 3 / 4)) -o "$out/none" "$out/$net.net" >"$out/log" 2>&1
        [ $? = 1 ] && [ ! -e "$out/none" ] && grep -q "sample by sample, takes [0-9]* bytes, [0-9]* too many " "$out/log"
        result $? "$net $how: what cannot be says by how much"
    done
done

# Sums that Winograd's method keeps apart for threads are one where they do not fit: sample by sample takes what a net of one
# sample does, and what is known of all of them.
sed 's/N = 16/N = 1/' "$out/windows.net" >"$out/one.net"
least() { "$NETC" "$@" --max-bytes 1 -o "$out/none" "$out/$net.net" 2>"$out/log" >&2; least_of "$out/log"; }
net=one one=$(least) net=windows all=$(least) plain=$(least --disable=winograd)
echo "one sample $one, sample by sample $all, without Winograd's method $plain" >"$out/log"
[ "$all" -le $((one + 1024)) ] && [ "$plain" -lt "$all" ]
result $? "windows: sample by sample takes no more than one sample"
least >/dev/null
grep -q "hint: without Winograd's method (--disable=winograd) the smallest takes $plain$" "$out/log" && ! { least --disable=winograd >/dev/null; grep -q hint "$out/log"; }
result $? "windows: what takes less is said where it does"
sed 's/N = 16/N = 64/' "$out/windows.net" >"$out/large.net"
sums() { "$NETC" --max-bytes "$1" --emit=ir -o "$out/sums" "$out/large.net" 2>"$out/log" && echo $(sed -n 's/^graph train .*\(part = [0-9]*\).*/\1/p; s/.* winograd_dw .*\(parts = [0-9]*\) .*/\1/p' "$out/sums/windows.ir"); }
echo "$(sums 2200000), $(sums 1900000)" >"$out/sums.log"
[ "$(cat "$out/sums.log")" = "part = 32 parts = 4 parts = 4, part = 32" ]
result $? "windows: sums are kept apart where there is room: $(cat "$out/sums.log")"

# Bad data in a later part: nothing has changed.
least_mixed() { "$NETC" "$@" --max-bytes 1 -o "$out/none" "$out/mixed.net" 2>"$out/log" >&2; least_of "$out/log"; }
compiled "$out/less" mixed --max-bytes "$(least_mixed)"
bad='set label 0 1 2 0 1 2 0 1 2 0 1 2 0 1 7\n'
printf "accumulate\ngrads\ntensors\naccumulate\ngrads\n" | "$out/less/drive" >"$out/a"
printf "accumulate\n${bad}accumulate\ngrads\ntensors\nset label 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\naccumulate\n" | "$out/less/drive" >"$out/b"
{ [ "$(grep -c '^error -3' "$out/b")" = 1 ] && cmp <(sed -n '2,16p' "$out/a") <(grep -v '^error' "$out/b" | sed -n '2,16p'); } >"$out/log" 2>&1
result $? "a bad label in the last part leaves gradients and states as they were"

# Same bits whatever the threads, and a part of a batch is that batch's, alone.
printf "$commands" | "$out/less/drive" >"$out/a"
FLAGS=-fopenmp compiled "$out/threads" mixed --max-bytes "$(least_mixed)"
for threads in 1 3; do
    printf "$commands" | OMP_NUM_THREADS=$threads "$out/threads/drive" >"$out/b"
    cmp "$out/a" "$out/b" >"$out/log" 2>&1
    result $? "the same bits with $threads threads"
done

# What goes on from a dump goes in the same parts; the page and the graphs show it.
most=$(least_mixed)
"$NETC" --max-bytes "$most" --emit=c,ir,json,dot,html -o "$out/files" "$out/mixed.net" >"$out/log" 2>&1 &&
    grep -q "^graph train mixed (N = 15, part = " "$out/files/mixed.ir" && grep -q '"name": "totals"' "$out/files/mixed.json"
result $? "the dump, the page and the graphs are written"
"$NETC" --from-ir "$out/files/mixed.ir" -o "$out/again" >"$out/log" 2>&1 && [ "$(grep -o 'first += [0-9]*' "$out/files/mixed_train.c")" = "$(grep -o 'first += [0-9]*' "$out/again/mixed_train.c")" ]
result $? "a dump carries the parts"

# The program of a model in parts: trains, stops, resumes, measures; alone, in C++, without a warning.
"$NETC" --max-bytes "$most" --emit=c,app --standalone -o "$out/alone" "$out/mixed.net" >"$out/log" 2>&1 &&
    $CC -std=c11 -O1 -Wall -Wextra -Wpedantic -Wconversion -Werror -DNN_PROFILE ${SANITIZE:+-fsanitize=address,undefined} -o "$out/alone/run" \
        "$out"/alone/*.c -lm >"$out/log" 2>&1
result $? "the standalone program compiles without a warning, with its times"
printf '#include "mixed.h"\nint main() { return mixed_bytes(1) > 0 ? 0 : 1; }\n' >"$out/alone/use.cpp"
g++ -Wall -Wextra -fsyntax-only -I"$out/alone" "$out/alone/use.cpp" >"$out/log" 2>&1
result $? "its header is C++ too"
awk 'BEGIN { srand(3); for (r = 0; r < 60; r++) { for (c = 0; c < 8; c++) printf "%.3f,", rand() - 0.5; printf "%d,%d", r % 3, (r * 7) % 4
             for (c = 0; c < 4; c++) printf ",%.3f", rand(); print "" } }' >"$out/data.csv"
data="--in x=$out/data.csv:0-7 --in i=$out/data.csv:8 --in label=$out/data.csv:9 --in y=$out/data.csv:10-13"
run() { "$out/alone/run" "$@" $data --quiet >"$out/log" 2>&1; }
run train --steps 12 --seed 2 --save "$out/w1" && run train --steps 5 --seed 2 --checkpoint "$out/c" --save "$out/w2" &&
    run train --steps 12 --resume "$out/c" --save "$out/w2" && cmp "$out/w1" "$out/w2" >"$out/log" 2>&1
result $? "stopped and resumed in parts: the same weights"
"$out/alone/run" bench --train --iters 3 --kernels >"$out/log" 2>&1 && [ "$(grep -c 'k[0-9]*_' "$out/log")" -gt 3 ]
result $? "its kernels are measured"
