#!/bin/bash
# --max-bytes: a deep net trains in less memory, to the same bits; what cannot be is refused, with the bytes that it takes.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
result() { if [ "$1" = 0 ]; then echo "ok $2"; else echo "FAILED $2"; head -n 10 "$out/log"; fi; }
gzip -dc examples/digits/digits.csv.gz | head -n 400 >"$out/train.csv"
data="--in image=$out/train.csv:0-63 --in label=$out/train.csv:64"
cat >"$out/deep.net" <<'N'
const depth = 6;
block wide(x) {
    return relu(x + (x |> conv2d(8, kernel = 3, pad = 1) |> batchnorm |> relu |> dropout(0.1) |> conv2d(8, kernel = 3, pad = 1)));
}
net deep {
    batch  N = 16;
    input  image : u8[N, 1, 8, 8];
    target label : i32[N];
    h = f32(image) / 16 |> conv2d(8, kernel = 3, pad = 1) |> batchnorm |> relu;
    for i in 0..depth {
        blocks[i] = wide();
        h = h |> blocks[i];
    }
    logits = h |> flatten |> linear(10);
    output logits;
    loss cross_entropy(logits, label);
    optimizer adam(lr = 1e-3);
}
N
train_bytes() { sed -n 's/^#define DEEP_TRAIN_BYTES (\([0-9]*\) .*/\1/p' "$1/deep.h"; }
arena() { sed -n 's/^train .* arena \([0-9]*\) bytes.*/\1/p' "$1"; }
# trains NAME OPTIONS...: $out/NAME, NAME.w and NAME.csv
trains() {
    local name=$1
    shift
    "$NETC" -v --emit=c,app "$@" -o "$out/$name.c" "$out/deep.net" 2>"$out/$name.v" || { cp "$out/$name.v" "$out/log"; return 1; }
    gcc -std=c11 -O1 -march=native ${SANITIZE:+-fsanitize=address,undefined} -Iruntime -I"$out/$name.c" -o "$out/$name" \
        "$out/$name.c"/deep*.c "$B/libnetrt.a" -lz -lm &&
        "$out/$name" train $data --steps 20 --seed 3 --save "$out/$name.w" --log "$out/$name.csv" --quiet >"$out/log" 2>&1
}
for how in "-O2" "-O0 -D depth=4" "-O2 --dtype f64"; do # at -O0 many operations are tried
    trains all $how
    result $? "$how: trains"
    "$NETC" $how --max-bytes 1 -o "$out/none" "$out/deep.net" >"$out/log" 2>&1
    status=$?
    least=$(sed -n 's/.*: the smallest plan found for an instance that trains takes \([0-9]*\) bytes, .*/\1/p' "$out/log")
    [ $status = 1 ] && [ ! -e "$out/none" ] && [ "$(wc -l <"$out/log")" = 4 ] && tail -n 1 "$out/log" | grep -q "cannot go in parts because of .*deep.net:9, batchnorm_1" && head -n 1 "$out/log" | grep -q "deep.net:5:5: error: --max-bytes 1: .* takes $least bytes, $((least - 1)) too many " "$out/log"
    result $? "$how: what cannot be says by how much"

    # between all that was taken and the least
    all=$(train_bytes "$out/all.c")
    between=
    [ "$how" != "-O2" ] || between=$(((all + least) / 2))
    for most in $between "$least"; do
        trains less $how --max-bytes "$most"
        result $? "$how: trains in less"
        echo "$(train_bytes "$out/less.c") of $most, $all; arenas $(arena "$out/less.v"), $(arena "$out/all.v")" >"$out/log"
        [ "$(train_bytes "$out/less.c")" -le "$most" ] && grep -q "$(train_bytes "$out/less.c") bytes an instance that trains" "$out/less.v" &&
            [ "$(arena "$out/less.v")" -lt "$(arena "$out/all.v")" ] && [ "$(arena "$out/less.v")" -lt "$most" ]
        result $? "$how: takes no more than it may"
        cmp "$out/all.w" "$out/less.w" >"$out/log" 2>&1 && diff <(cut -d, -f1-2 "$out/all.csv") <(cut -d, -f1-2 "$out/less.csv") >"$out/log"
        result $? "$how: the same weights and losses, bit for bit"
    done
    "$NETC" $how --max-bytes $((least - 1)) -o "$out/none" "$out/deep.net" 2>&1 | grep -q " takes $least bytes, 1 too many "
    result $? "$how: one byte too many"
    [ $((2 * $(arena "$out/less.v"))) -lt "$(arena "$out/all.v")" ]
    result $? "$how: the least is less than half"
done

# a thousand operations by themselves, each with changes of its own to try
cat >"$out/long.net" <<'N'
net long {
    batch  N = 32;
    input  x : f32[N, 16];
    target y : f32[N, 4];
    h = x |> linear(64) |> tanh;
    for i in 0..11 {
        h = h + (h |> layernorm |> linear(64) |> gelu |> linear(64));
    }
    out = h |> linear(4);
    output out;
    loss mse(out, y);
    optimizer sgd(lr = 0.1);
}
N
"$NETC" -O0 --max-bytes 1 -o "$out/none" "$out/long.net" >"$out/log" 2>&1
[ $? = 1 ] && grep -q "takes [0-9]* bytes, [0-9]* too many " "$out/log"
result $? "-O0: a thousand operations are looked through"

# what fits already stays as it is
"$NETC" -o "$out/as_it_is" "$out/deep.net" && "$NETC" --max-bytes 1G -o "$out/large" "$out/deep.net" && diff -r "$out/as_it_is" "$out/large" >"$out/log"
result $? "enough is no limit"

# What a limit gave is given where just that is the limit, and 'the smallest' is: nothing below it is ever found.
# bytes MODEL LIMIT: what an instance that trains takes, or "least" and what it would take
bytes() {
    "$NETC" -v --max-bytes "$2" --emit=json -o "$out" "$1" 2>&1 >/dev/null |
        sed -n -e 's/.*, \([0-9]*\) bytes an instance that trains$/\1/p' -e 's/.* smallest plan found .* takes \([0-9]*\) bytes, .*/least \1/p'
}
for model in tests/errors/max_bytes_winograd.net examples/digits/digits.net "$out/deep.net"; do
    least=$(bytes $model 1)
    least=${least#least }
    all=$(bytes $model 1G)
    [ "$least" -lt "$all" ] && [ "$(bytes $model $least)" = "$least" ] && [ "$(bytes $model $((least - 1)))" = "least $least" ]
    result $? "$model: the smallest plan found is the smallest there is"
    for part in 1 3 6; do
        given=$(bytes $model $((least + (all - least) * part / 8)))
        again=$(bytes $model "$given")
        echo "$given, and again $again" >"$out/log"
        [ "$again" -le "$given" ]
        result $? "$model: what was given is given again ($part)"
    done
done

refused() { # refused WORDS OPTIONS...
    local words=$1
    shift
    "$NETC" "$@" -o "$out/none" "$out/deep.net" >"$out/log" 2>&1
    [ $? = 2 ] && grep -q -e "$words" "$out/log" && [ ! -e "$out/none" ]
    result $? "refused: $*"
}
for bytes in 0 -1 '' x 10x 10KB 1.5M K ' 5' 99999999999999999999 9999999999G; do
    refused "--max-bytes wants a number of bytes from 1 on, as 500000, 64K, 8M or 1G, not '$bytes'" --max-bytes "$bytes"
done
refused "--max-bytes is a limit to training" --mode infer --max-bytes 1G
