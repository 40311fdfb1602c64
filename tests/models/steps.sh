#!/bin/bash
# Scans whose kernels read and store steps where they lie compute what the same operations do without a scan, whatever the
# steps are; and the library's recurrent layers copy none but what is carried on. See steps.net.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
result() { if [ "$1" = 0 ]; then echo "ok steps: $2"; else echo "FAILED steps: $2"; head -n 12 "$out/log"; fi; }
nets=tests/models/steps.net
build() { # build NAME NET FLAGS OPTIONS...
    local name=$1 net=$2 flags=$3
    shift 3
    "$NETC" --verify --net "$net" --emit=c "$@" -o "$out/$name.c" "$nets" >"$out/log" 2>&1 &&
        "$CC" -std=c11 -D_POSIX_C_SOURCE=200809L -O1 -march=native $flags -DMODEL="${net}_model" ${SANITIZE:+-fsanitize=address,undefined} \
            -Iruntime -I"$out/$name.c" -o "$out/$name" tests/bench/call.c "$out/$name.c"/*.c "$B/libnetrt.a" -lz -lm >"$out/log" 2>&1
}
near() { # near TOLERANCE CALL N: what $out/values holds is what the net without scans gives
    "$out/written_out" compare "$2" "$3" 11 "$out/values" >"$out/log" 2>&1 && awk -F'[:,}]' -v t="$1" '{ near = $2 < t } END { exit !near }' "$out/log"
}
check() { # check NAME TOLERANCE: outputs and gradients, of all samples and of fewer
    local call n
    for call in infer dense; do
        for n in 9 8 1; do
            OMP_NUM_THREADS=2 "$out/$1" write $call $n 11 "$out/values" >"$out/log" 2>&1 && near "$2" $call $n
            result $? "$1, $call of $n samples"
        done
    done
}
same() { # same NAME OTHER: bit for bit
    local call
    for call in infer dense; do
        "$out/$1" write $call 9 11 "$out/values" && OMP_NUM_THREADS=2 "$out/$2" write $call 9 11 "$out/other" && cmp "$out/values" "$out/other" >"$out/log" 2>&1
        result $? "$2 gives the bits of $1, $call"
    done
}
build written_out written_out "" --dtype=f64
result $? "written out"
build f64 steps "" --dtype=f64 && check f64 1e-14
build f32 steps "" && check f32 1e-6
build plain steps "" -O0 && check plain 1e-6
build steady steps "" --disable=batch_scan && check steady 1e-6
build portable steps "" --fp=portable && check portable 1e-6
build threads steps -fopenmp && same f32 threads
# Without heap, with what stands in NET.h alone, and with weights inside: the outputs of steps_infer as text
cat >"$out/main.c" <<'E2'
#include "steps.h"
#include <stdio.h>
static _Alignas(64) unsigned char memory[1 << 20];
static float x[9 * 40], s[9 * 5], u[9 * 120], y[8][9 * 368];
static int32_t i[9 * 5];
static uint8_t b[9 * 40];
int main(int argc, char **argv)
{
    steps *m = steps_place(memory, sizeof memory, 0, 1);
#ifdef LOAD
    if (!m || argc < 2 || steps_load(m, argv[1]))
        return 1;
#endif
    (void)argc, (void)argv;
    for (int k = 0; k < 9 * 120; k++) {
        u[k] = (float)(k * 7919 % 1000) / 500 - 1;
        x[k / 3] = u[k] * 0.7f;
        s[k / 24] = u[k] + 0.1f;
        i[k / 24] = k % 11;
        b[k / 3] = (uint8_t)(k % 7);
    }
    for (int n = 1; n <= 9; n += 4) {
        if (!m || steps_infer(m, n, x, s, u, i, b, y[0], y[1], y[2], y[3], y[4], y[5], y[6], y[7]))
            return 2;
        for (int k = 0; k < 8 * 9 * 368; k++)
            printf("%a\n", (double)y[k % 8][k / 8]);
    }
    return 0;
}
E2
run() { # run NAME FLAGS LIBRARY OPTIONS...: its outputs to $out/NAME.txt
    local name=$1 flags=$2 library=$3
    shift 3
    "$NETC" --net steps --emit=c "$@" -o "$out/$name.c" tests/models/steps.net >"$out/log" 2>&1 &&
        "$CC" -std=c11 -O1 -march=native $flags ${SANITIZE:+-fsanitize=address,undefined} -Iruntime -I"$out/$name.c" -o "$out/$name" "$out/main.c" \
            "$out/$name.c"/*.c $library -lm >"$out/log" 2>&1 && "$out/$name" "$out/values.safetensors" >"$out/$name.txt"
}
run loaded -DLOAD "$B/libnetrt.a -lz" --mode=infer
result $? "loaded"
run standalone -DLOAD "" --mode=infer --standalone && cmp "$out/loaded.txt" "$out/standalone.txt" >"$out/log"
result $? "standalone, the same bits"
run inside "" "$B/libnetrt.a" --mode=infer --embed-weights="$out/values.safetensors" && cmp "$out/loaded.txt" "$out/inside.txt" >"$out/log"
result $? "with weights inside, the same bits"

# In parts, but for the scan whose samples lie within its steps
nets=$out/split.net
sed 's/ + mean(y3 \* y3)//; s/output y3; //' tests/models/steps.net >"$nets"
least=$("$NETC" --net steps --emit=c --max-bytes=1 -o "$out/none" "$nets" 2>&1 | sed -n 's/.*sample by sample, takes \([0-9]*\) bytes.*/\1/p')
echo "least: $least" >"$out/log"
build written_out written_out "" --dtype=f64 && build parts steps "" --max-bytes="$least" && grep -q accumulate_part "$out/parts.c/steps_train.c"
result $? "in parts"
check parts 1e-6

# The library's layers, forward and backward
cat >"$out/layers.net" <<'E2'
net layers {
    batch N = 4;
    input x : f32[N, 6, 8];
    target y : f32[N, 6, 32];
    h = x |> rnn(16);
    h = h |> gru(16);
    output z = h |> lstm(16, bidirectional = true);
    loss mse(z, y);
    optimizer sgd(lr = 0.1);
}
E2
"$NETC" --emit=c,json -o "$out/layers" "$out/layers.net" >"$out/log" 2>&1 && ! grep -n "take_step\|put_step" "$out"/layers/*.c >"$out/log"
result $? "no step is copied"
python3 - "$out/layers/layers.json" >"$out/log" 2>&1 <<'E2'
import json, sys
carried = scans = 0
for graph in json.load(open(sys.argv[1]))["graphs"]:
    placed = {buffer["value"] for buffer in graph["buffers"]}
    for operation in graph["operations"]:
        if operation["operation"] == "scan":
            scans += 1
            sequences = operation["attributes"]["sequences"]
            assert not placed & {p["name"] for p in operation["parameters"][:sequences]}, (operation, placed)
    for kernel in graph["kernels"]:
        if "_step" in kernel["name"] and "_carry_step" in kernel["name"]:
            carried += 1
            assert kernel["calls"] == 6 and kernel["bytes"] == 6 * 2 * 4 * 16 * 4, kernel
assert scans == 4 * 4 and carried == 4 * 3, (scans, carried)
E2
result $? "what is carried on is copied once a step, and sequences have no buffers"
