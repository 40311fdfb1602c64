#!/bin/bash
# The values that initialisers give: uniform ones fill their bounds and stay inside, normal ones have their mean and
# deviation, with the gains of torch.nn.init.calculate_gain and the fans of torch.nn.init, which for [out, in, k...] are
# in * k and out * k. The seed is fixed; bounds of chance are above five deviations.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
"$NETC" --verify --emit=c -o "$out" tests/models/initialisers.net 2>/dev/null &&
    $CC -std=c11 -O0 -DMODEL=initialisers_model -Iruntime -I"$out" ${SANITIZE:+-fsanitize=address,undefined} \
        -o "$out/drive" tests/models/drive.c "$out"/initialisers*.c "$B/libnetrt.a" -lz -lm ||
    { echo "FAILED initialisers: they do not compile"; exit 1; }
echo tensors | "$out/drive" >"$out/found"
holds() { # holds NAME CONDITION: over the count n, mean, deviation, least and most of the tensor's values
    if awk -v name="$1" '$1 == name { n = NF - 1; least = most = $2
            for (i = 2; i <= NF; i++) { sum += $i; squares += $i * $i; if ($i < least) least = $i; if ($i > most) most = $i }
            mean = sum / n; deviation = squares / n - mean * mean; deviation = deviation > 0 ? sqrt(deviation) : 0 }
        function abs(x) { return x < 0 ? -x : x }
        END { good = n && ('"$2"'); if (!good) print name, n, mean, deviation, least, most; exit !good }' "$out/found"; then
        echo "ok initialisers $1"
    else
        echo "FAILED initialisers $1: $2"
    fi
}
# between a and b: nothing outside, both ends nearly reached, mean and deviation those of the uniform distribution
uniform() { # uniform NAME A B
    holds "$1" "least >= $2 - 1e-6 && most <= $3 + 1e-6 && least < $2 + 0.01 * ($3 - $2) && most > $3 - 0.01 * ($3 - $2) &&
        abs(mean - ($2 + $3) / 2) < 5 * ($3 - $2) / sqrt(12 * n) && abs(deviation / (($3 - $2) / sqrt(12)) - 1) < 0.05"
}
normal() { holds "$1" "abs(mean - ($2)) < 5 * $3 / sqrt(n) && abs(deviation / ($3) - 1) < 5 / sqrt(2 * n) && most > $2 + 2.5 * $3"; }
bound() { uniform "$1" "-($2)" "($2)"; }

uniform uniform -0.2 0.4
normal normal 1 0.3
holds constant "abs(least - 0.7) < 1e-6 && most == least"
bound xavier_uniform "sqrt(6 / 128)"
bound xavier_uniform_gain "3 * sqrt(6 / 128)"
normal xavier_normal 0 "sqrt(2 / 128)"
normal xavier_normal_conv 0 "sqrt(2 / (25 * 24))"
bound kaiming_uniform "sqrt(2) * sqrt(3 / 96)"
bound kaiming_uniform_out "sqrt(2) * sqrt(3 / 32)"
normal kaiming_normal 0 "sqrt(2 / 96)"
normal kaiming_normal_conv 0 "sqrt(2 / (16 * 25))"
bound linear "sqrt(3 / 96)"
bound leaky "sqrt(2 / 1.25) * sqrt(3 / 96)"
bound leaky_default "sqrt(2 / 1.0001) * sqrt(3 / 96)"
normal tanh 0 "5 / 3 / sqrt(96)"
normal sigmoid 0 "1 / sqrt(96)"
normal selu 0 "0.75 / sqrt(96)"
bound fans "sqrt(6 / 30)"
bound fan_in "sqrt(2) * sqrt(3 / 10)"
bound l.weight "1 / sqrt(64)"
bound c.weight "1 / sqrt(16 * 9)"
normal e.weight 0 1
