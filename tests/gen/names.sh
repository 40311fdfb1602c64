#!/bin/bash
# A name bound to something that cannot be called hides no operation, layer, initialiser or schedule of that name where
# one is meant by its place.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cat >"$out/names.net" <<'END'
net names {
    batch  N = 4;
    input  x : f32[N, 6];
    target sum : f32[N, 2];
    state  mean : f32[] = zeros;
    param  linear : f32[6] = constant(1);
    param  zeros : f32[6] = zeros;
    param  normal : f32[6] = normal(0, 1);
    update mean = 0.9 * mean + 0.1 * mean(x);
    max = x * linear + zeros + normal;
    tanh = tanh(max);
    y = tanh |> linear(2);
    output softmax = softmax(y);
    loss mse(y, sum) + 0 * sum(max(max, axes = 1));
    metric accuracy = accuracy(y, argmax(sum));
    optimizer sgd(lr = linear(0.1, steps = 10));
}
END
if "$NETC" --verify --dump-ir=plan -o "$out/c" "$out/names.net" >"$out/log" 2>&1; then
    for wanted in 'output .*softmax' '@linear_1.weight' '@zeros' '@normal' 'assign @mean' 'metric .*accuracy' 'linear(rate = 0.1'; do
        if grep -q "$wanted" "$out/log"; then echo "ok names $wanted"; else echo "FAILED names $wanted"; fi
    done
else
    cat "$out/log"
    echo "FAILED names"
fi
# Nets may be called what the generated functions call their own.
for net in m n train memory path error count; do
    rm -rf "$out/c"
    printf 'net %s { batch N = 2; input x : f32[N, 3]; target y : i32[N]; l = x |> linear(4); output l; loss cross_entropy(l, y); optimizer sgd(lr = 0.1); }\n' \
        $net >"$out/$net.net"
    if "$NETC" --emit=c,app -o "$out/c" "$out/$net.net" &&
        (cd "$out/c" && $CC -std=c11 -Wall -Wextra -Wpedantic -Wconversion -Werror -I"$OLDPWD/runtime" -c "$net"*.c); then
        echo "ok net $net"
    else
        echo "FAILED net $net"
    fi
done
