#!/bin/bash
# A built-in function with its constants is a layer: what it computes is what the call written out does, wherever it is
# applied. The same IR comes out of both.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
result() { if [ "$1" = 0 ]; then echo "ok $2"; else echo "FAILED $2"; head -n 30 "$out/log"; fi; }
dump() { # dump NAME STATEMENTS
    printf 'net t {\n    batch N = 2;\n    input x : f32[N, 4];\n%s\n    output y;\n}\n' "$2" >"$out/t.net"
    "$NETC" -O0 --emit=ir -o "$out" "$out/t.net" >"$out/log" 2>&1 && sed 's/ *#.*//' "$out/t.ir" >"$out/$1"
}
same() { # same CLAIM STATEMENTS WRITTEN-OUT
    dump one "$2" && dump other "$3" && diff "$out/other" "$out/one" >"$out/log"
    result $? "$1"
}
same "numbers are constants where one is missing" 'f = cumsum(1); y = x |> f;' 'y = cumsum(x, 1);'
same "numbers alone are constants where it has some" 'f = flatten(0); g = sum(1); y = (x |> f) * sum(g(x));' 'y = flatten(x, 0) * sum(sum(x, 1));'
same "a number in each place of a layer of the library" 'y = x * clip(3, 0, 1);' 'y = x * 1;'
same "several of them" 'f = slice(1, 0, 2); y = x |> f;' 'y = slice(x, 1, 0, 2);'
same "a layer given to a block" 'y = x |> residual(reverse(1));' 'y = x + reverse(x, 1);'
same "constants are those of where they were written" 'd = 1; y = x |> residual(cumsum(axis = d)); d = 7;' 'y = x + cumsum(x, 1);'
same "called with its tensors" 'f = sum(axes = 1); y = f(x);' 'y = sum(x, axes = 1);'
same "several tensors" 'f = concat(1); y = f(x, 2 * x);' 'y = concat(x, 2 * x, axis = 1);'
same "tensors behind numbers" 'f = gather(1); y = f(x, range(2));' 'y = gather(x, range(2), axis = 1);'
same "of the library, too" 'k = relu(-2) + clip(9, 0, 4) + gelu(0) + where(2 > 1, 5, 6); y = x |> linear(i32(k));' 'y = x |> linear(9);'
same "numbers alone are a number" 'k = pow(2, 3) + max(1, 2); y = x * k;' 'y = x * 10.0;'
