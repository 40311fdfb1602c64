#!/bin/bash
# --embed-weights: inference from const arrays gives the bits of the module that loads the same file; neither heap nor
# files; a file that does not fit is refused in words, and nothing is written.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
result() { if [ "$1" = 0 ]; then echo "ok $2"; else echo "FAILED $2"; head -n 12 "$out/log"; fi; }
warn="-Wall -Wextra -Wpedantic -Wconversion -Werror"

cat >"$out/folded.net" <<'EOF'
net folded {
    batch  N = 4;
    input  x : f32[N, 2, 6, 6];
    target y : f32[N, 5];
    param odd : f32[5] = ones;
    h = x |> conv2d(4, kernel = 3, pad = 1) |> batchnorm |> relu |> flatten |> linear(5);
    output z = h * exp(odd) + tanh(odd) * odd;
    loss mse(z, y);
    optimizer sgd(lr = 0.1);
}
EOF

# Writes the outputs of two calls on made-up input to argv[1], of a module that loads argv[2] or has its weights inside.
cat >"$out/driver.c" <<'EOF'
#include HEADER
#include <stdio.h>
#include <string.h>
static _Alignas(64) unsigned char memory[BYTES];
static unsigned char in[1 << 22], result[1 << 22];
int main(int argc, char **argv)
{
    MODEL *m = PLACE(memory, sizeof memory, 0, 0);
    if (!m || argc != 3)
        return 1;
#ifdef LOAD
    if (LOAD(m, argv[2]))
        return 1;
#endif
    for (size_t i = 0; i < sizeof in / 4; i++) {
        float x = (float)(i * 7919 % 1000) / 256 - 1;
        if (INPUT == 4)
            memcpy(in + 4 * i, &x, 4);
        else if (INPUT == 8 && i < sizeof in / 8)
            memcpy(in + 8 * i, &(double){ (double)x }, 8);
        else if (INPUT == 1)
            in[i] = (unsigned char)(i * 7919 % 17);
    }
    FILE *f = fopen(argv[1], "wb");
    for (int n = 1; n <= 2; n++) {
        if (!f || INFER(m, n, (void *)in, (void *)result))
            return 2;
        fwrite(result, 1, sizeof result, f);
    }
    return fclose(f) != 0;
}
EOF
weights() { # weights FROM TO: values that no initialiser gives
    python3 - "$1" "$2" <<'EOF'
import json, struct, sys
raw = open(sys.argv[1], "rb").read()
size = struct.unpack("<Q", raw[:8])[0]
head, data = json.loads(raw[8:8 + size]), bytearray(raw[8 + size:])
for name, t in head.items():
    if name == "__metadata__":
        continue
    begin, end = t["data_offsets"]
    code, width = ("<f", 4) if t["dtype"] == "F32" else ("<d", 8)
    for i in range(begin, end, width):
        x = struct.unpack(code, data[i:i + width])[0]
        k = (i // width * 2654435761) % 1000003 / 1000003
        data[i:i + width] = struct.pack(code, abs(x) + k if "var" in name else x * (0.7 + k) + 0.01 * (k - 0.5))
open(sys.argv[2], "wb").write(raw[:8 + size] + bytes(data))
EOF
}
first() { # first NET: a program that saves the first weights
    printf '#include "%s.h"\nint main(int c, char **v) { %s *m = %s_new(5); return c == 2 ? %s_save(m, v[1]) : 1; }\n' "$1" "$1" "$1" "$1"
}
same() { # same NET FILE INPUT-BYTES COMPILER-FLAGS OPTIONS...: both modules give the same bits
    local net=$1 file=$2 input=$3 flags=$4 upper=${1^^}
    shift 4
    rm -rf "$out/loads" "$out/has"
    local defines="-DHEADER=\"$net.h\" -DMODEL=$net -DPLACE=${net}_place -DINFER=${net}_infer -DINPUT=$input"
    "$NETC" "$@" --standalone -o "$out/loads" "$file" &&
        first "$net" >"$out/loads/first.c" &&
        gcc -std=c11 -O1 -w -o "$out/first" "$out"/loads/*.c -lm && "$out/first" "$out/first.w" && rm "$out/loads/first.c" &&
        weights "$out/first.w" "$out/w" &&
        "$NETC" "$@" --standalone --embed-weights "$out/w" -o "$out/has" "$file" &&
        gcc -std=c11 -O2 $flags $defines -w -I"$out/loads" "-DBYTES=${upper}_INFER_BYTES" "-DLOAD=${net}_load" -o "$out/a" "$out"/loads/*.c "$out/driver.c" -lm &&
        for cc in gcc clang; do (cd "$out/has" && for f in *.c; do $cc -std=c11 $warn $flags -fsyntax-only "$f" || exit 1; done) || return 1; done &&
        gcc -std=c11 -O2 $flags $defines -w -I"$out/has" "-DBYTES=${upper}_INFER_BYTES" -o "$out/b" "$out"/has/*.c "$out/driver.c" -lm &&
        "$out/a" "$out/a.out" "$out/w" && "$out/b" "$out/b.out" - && cmp "$out/a.out" "$out/b.out"
}
folded() { # folded FLAGS INPUT-BYTES OPTIONS...
    same folded "$out/folded.net" "$2" "$1" "${@:3}" >"$out/log" 2>&1
    result $? "folded $*: the same bits"
}
folded -march=native 4
folded -march=native 4 -O0
folded -march=native 8 --dtype=f64
folded -march=native 4 --fp=portable
folded "-march=native -DNN_VL=1" 4
folded "" 4
same digits examples/digits/digits.net 1 -march=native >"$out/log" 2>&1
result $? "digits: the same bits"
grep -q 'digits_w_linear_1_weight\|m->prepared +' "$out"/has/*.c >"$out/log"
[ $? = 1 ]
result $? "digits: weights laid out for their kernels and folded scales are constants, what they came from is left out"
(cd "$out/has" && gcc -std=c11 -O2 -c ./*.c && ld -r -o all.o ./*.o && nm -u all.o) >"$out/log" 2>&1 &&
    ! grep -vE '^ *U (mem(cpy|set|move|cmp)|strlen|_GLOBAL_OFFSET_TABLE_)$' "$out/log"
result $? "digits: neither heap nor files"
grep -q 'input   image' "$out/has/digits.h" && grep -q 'digits_bytes' "$out/has/digits.h" && ! grep -E 'target  |allocation' "$out/has/digits.h" >"$out/log" &&
    grep -q 'target  label' "$out/loads/digits.h" && grep -q 'digits_bytes.*allocation' "$out/loads/digits.h"
result $? "digits: its header speaks of no target and of no allocation"
same charlm examples/charlm/charlm.net 1 -march=native >"$out/log" 2>&1
result $? "charlm: the same bits"

# values that are hard to print
cat >"$out/hard.net" <<'EOF'
net hard {
    batch  N = 1;
    input  x : f32[N, 6];
    param w : f32[6] = ones;
    output y = x * 0 + w;
}
EOF
python3 - "$out/hard.w" <<'EOF'
import struct, sys
head = b'{"w":{"dtype":"F32","shape":[6],"data_offsets":[0,24]}}'
data = struct.pack("<6I", 0x00000001, 0x7f7fffff, 0x3dcccccd, 0x7f800000, 0xff800000, 0x00800001)
open(sys.argv[1], "wb").write(struct.pack("<Q", len(head)) + head + data)
EOF
printf '#include "hard.h"\n#include <string.h>\nstatic _Alignas(64) char memory[HARD_INFER_BYTES];\nint main(void) { float x[6] = { 0 }, y[6]; uint32_t u[6] = { 1, 0x7f7fffff, 0x3dcccccd, 0x7f800000, 0xff800000, 0x00800001 };\n    hard *m = hard_place(memory, sizeof memory, 0, 0); return hard_infer(m, 1, x, y) || memcmp(y, u, sizeof u); }\n' >"$out/hard_main.c"
{ "$NETC" --embed-weights "$out/hard.w" -o "$out/hard" "$out/hard.net" && gcc -std=c11 $warn -Iruntime -I"$out/hard" -o "$out/hard_main" "$out"/hard/*.c "$out/hard_main.c" && "$out/hard_main"; } >"$out/log" 2>&1
result $? "denormals, the largest, infinities read back"

# what is refused
refused() { # refused STATUS WORDS NAME OPTIONS...
    local want=$1 words=$2 name=$3
    shift 3
    rm -rf "$out/c"
    "$NETC" "$@" -o "$out/c" "$out/hard.net" >"$out/log" 2>&1
    [ $? = "$want" ] && grep -q -- "$words" "$out/log" && [ ! -e "$out/c" ]
    result $? "$name"
}
sed 's/"w"/"v"/' "$out/hard.w" >"$out/missing.w"
sed 's/\[6\],/[5],/; s/0,24/0,20/' "$out/hard.w" | head -c -4 >"$out/short.w"
head -c 20 "$out/hard.w" >"$out/cut.w"
refused 3 "$out/nowhere.w" "a file that is not there" --embed-weights "$out/nowhere.w"
refused 3 "cut.w" "a file that is cut short" --embed-weights "$out/cut.w"
refused 3 "missing.w: has no tensor 'w' of shape \[6\]" "a tensor is missing" --embed-weights "$out/missing.w"
refused 3 "short.w: tensor 'w' has shape \[5\], and \[6\]" "a tensor of another shape" --embed-weights "$out/short.w"
refused 2 "--mode train" "not with training" --mode train --embed-weights "$out/hard.w"
refused 2 "the program of --emit=app reads its weights" "not with a program" --emit=c,app --embed-weights "$out/hard.w"
