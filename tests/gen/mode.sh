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

# A program asked for what it was not compiled for says so.
cat >"$out/small.net" <<'T2'
net full { batch N = 4; input x : f32[N, 3]; target t : f32[N, 1]; output y = x |> linear(1); loss mse(y, t); optimizer sgd(lr = 0.1); }
net silent { batch N = 4; input x : f32[N, 3]; loss mean(x |> linear(1)); optimizer sgd(lr = 0.1); }
T2
program() { # program NET MODE: $out/NET_MODE
    "$NETC" --net "$1" --mode "$2" --emit=c,app -o "$out/$1$2" "$out/small.net" >"$out/log" 2>&1 &&
        gcc -std=c11 -O1 -DNN_NO_ZLIB -Iruntime -o "$out/$1_$2" "$out/$1$2"/*.c "$B/libnetrt.a" ${SANITIZE:+-fsanitize=address,undefined} -lm >"$out/log" 2>&1
    result $? "$1 with --mode $2 compiles"
}
says() { # says WORDS NET_MODE ARGUMENT...
    local words=$1 program=$2
    shift 2
    "$out/$program" "$@" >"$out/log" 2>&1
    [ $? = 1 ] && [ "$(cat "$out/log")" = "${program%_*}: $words" ]
    result $? "$program $*"
}
program full infer
program full train
program silent both
says "this model has no loss, or was compiled with --mode infer: it cannot be trained" full_infer train
says "this model has no loss to evaluate, or was compiled with --mode infer" full_infer eval
says "this model has no loss, or was compiled with --mode infer" full_infer bench --train
says "this model has no outputs, or was compiled with --mode train" full_train infer
says "this model has no outputs, or was compiled with --mode train" full_train bench
"$out/silent_both" infer --in x=x.npy --out z=z.npy >"$out/log" 2>&1
[ $? = 1 ] && grep -q '^silent: this model has no outputs' "$out/log"
result $? "a net without outputs infers nothing"
