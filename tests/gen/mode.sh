#!/bin/bash
# --mode asks for what the net has.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
result() { if [ "$1" = 0 ]; then echo "ok $2"; else echo "FAILED $2"; head -n 30 "$out/log"; fi; }

cat >"$out/m.net" <<'T2'
net learns { batch N = 4; input x : f32[N, 3]; loss mean(x |> linear(1)); optimizer adam(); }
net answers { batch N = 4; input x : f32[N, 3]; output y = x |> linear(1); }
T2
refused() { # refused NET MODE MESSAGE
    (cd "$out" && "$NETC" --color=never --mode "$2" --net "$1" -o "$1" m.net) >"$out/log" 2>&1
    [ $? = 1 ] && grep -q "^m.net:.* error: $3" "$out/log" && [ ! -e "$out/$1" ]
    result $? "$1 with --mode $2: $3"
}
refused answers train "net 'answers' has no loss: there is nothing to train"
refused learns infer "net 'learns' has no output: there is nothing to infer"
for net in learns answers; do
    "$NETC" --net "$net" -o "$out/both" "$out/m.net" >"$out/log" 2>&1 && [ ! -s "$out/log" ]
    result $? "$net with both modes"
done
