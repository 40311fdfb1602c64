#!/bin/bash
# Long chains in which every value is read twice compile in no time: nothing walks all ways through a graph.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
i=0
for step in "h * h" "h * h + h" "max(h, 0.5 * h) - h" "concat(slice(h, axis = 1, begin = 0, end = 32), slice(h, axis = 1, begin = 32, end = 64), axis = 1)"; do
    i=$((i + 1))
    cat >"$out/deep.net" <<N
net deep {
    batch N = 4;
    input x : f32[N, 64];
    target w : f32[N, 8, 8];
    h = x |> linear(64);
    for i in 0..60 { h = $step; }
    output y = transpose(reshape(h, [N, 8, 8]), [0, 2, 1]);
    loss mse(y, w);
    optimizer adam;
}
N
    if timeout 10 "$NETC" -o "$out" "$out/deep.net" >"$out/log" 2>&1; then
        echo "ok deep: $step"
    else
        echo "FAILED deep: $step"
        head -n 3 "$out/log"
    fi
done
