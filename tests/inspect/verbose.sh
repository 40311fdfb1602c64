#!/bin/bash
# -v: what an instance takes is said of what it can do.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
result() { if [ "$1" = 0 ]; then echo "ok $2"; else echo "FAILED $2"; head -n 30 "$out/log"; fi; }

cat >"$out/a.net" <<'T'
net a {
    batch N = 4;
    input x : f32[N, 3];
    y = x |> linear(2);
    output y;
    loss mean(y);
    optimizer adam();
}
T
for mode in infer train both; do
    case $mode in
    infer) says="8 parameters, B bytes an instance that infers" ;;
    train) says="8 parameters, B bytes an instance that trains" ;;
    both) says="8 parameters, B bytes an instance that infers, B bytes an instance that trains" ;;
    esac
    "$NETC" -v --mode $mode -o "$out/c" "$out/a.net" >"$out/log" 2>&1 &&
        sed -n 's/^a  *\([0-9]* parameters\)/\1/p' "$out/log" | sed 's/[0-9]* bytes/B bytes/g' >"$out/got" &&
        echo "$says" | diff - "$out/got" >"$out/log"
    result $? "-v of --mode $mode"
done

# What is kept for the backward part: a value that a product reads again and again, not the mask that comes of it; and what the
# lines say adds up.
cat >"$out/b.net" <<'T'
net b {
    batch N = 32;
    input x : f32[N, 16];
    target t : i32[N];
    loss cross_entropy(x |> linear(64) |> relu |> linear(10), t);
    optimizer sgd(lr = 0.1);
}
T
"$NETC" -v -o "$out/c" "$out/b.net" >"$out/log" 2>&1 &&
    awk '/^kept for the backward part, /{ all = $6; next }
         all != "" && /^ +[0-9]+ bytes  /{ sum += $1; lines++; if (/f32\[N,64\].* made by max, read by matmul: read there again and again$/) relu++; next }
         { if (all != "") exit }
         END { if (all == "" || sum != all || relu != 1) { print all, sum, lines, relu; exit 1 } }' "$out/log" >"$out/got"
result $? "-v lists what is kept"
cat >"$out/b.net" <<'T'
net b {
    batch N = 32;
    input x : f32[N, 16];
    target t : i32[N];
    h = x |> linear(64);
    loss cross_entropy(h |> layernorm |> linear(10), t);
    optimizer adam;
}
T
"$NETC" -v -o "$out/c" "$out/b.net" >"$out/log" 2>&1 && grep -q 'f32\[N,64\] .*b.net:5 linear_1  made by matmul' "$out/log"
result $? "... each with the line of what makes it, not of all that the kernel does"
