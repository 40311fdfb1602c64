#!/bin/bash
# Who needs zlib: what reads .gz data, and nothing else. A model in a program of one's own links with -lm alone, and so does
# a generated program built with -DNN_NO_ZLIB; what that one is given as .gz it refuses in words.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
result() { if [ "$1" = 0 ]; then echo "ok $2"; else echo "FAILED $2"; head -n 12 "$out/log"; fi; }
link="${SANITIZE:+-fsanitize=address,undefined}"
cat >"$out/plain.net" <<'END'
net plain {
    batch N = 4;
    input x : f32[N, 3];
    target y : f32[N, 1];
    z = x |> linear(1);
    output z;
    loss mse(z, y);
    optimizer sgd(lr = 0.1, momentum = 0.9);
}
END
cat >"$out/main.c" <<'END'
#include "plain.h"
#include <stdio.h>
int main(int argc, char **argv)
{
    const float x[3] = { 1, 2, 3 }, y[1] = { 1 };
    float loss, z[1];
    plain *m = plain_new(1);
    int bad = argc != 3 || plain_train_step(m, 1, x, y, &loss) || plain_save(m, argv[1]) || plain_load(m, argv[1]) ||
              plain_checkpoint(m, argv[2]) || plain_resume(m, argv[2]) || plain_infer(m, 1, x, z);
    puts(plain_error(m));
    plain_free(m);
    return bad;
}
END
"$NETC" -o "$out/own" "$out/plain.net" >"$out/log" 2>&1 &&
    gcc -std=c11 -O1 $link -Iruntime -I"$out/own" -o "$out/main" "$out/main.c" "$out"/own/*.c "$B/libnetrt.a" -lm >"$out/log" 2>&1 &&
    "$out/main" "$out/w" "$out/point" >"$out/log" 2>&1
result $? "a program of one's own trains, saves, loads and resumes with -lm alone"
gcc -std=c11 -O1 $link -I"$out/own" -o "$out/main_pc" "$out/main.c" "$out"/own/*.c $(pkg-config --cflags --libs "$B/netrt.pc") >"$out/log" 2>&1 &&
    ! readelf -d "$out/main_pc" | grep NEEDED | tee "$out/log" | grep -q libz
result $? "and with what pkg-config says: it is not linked with zlib"
nm -A "$B/libnetrt.a" | grep -E ' U (inflate|gz|crc32|zlib)' | grep -v 'nn_gzip.o:' >"$out/log"
[ $? = 1 ]
result $? "one file of the library names zlib"

"$NETC" --emit=c,app -o "$out/c" "$out/plain.net" >"$out/log" 2>&1
printf '1,2,3,1\n2,3,1,0\n3,1,1,1\n4,1,1,0\n' >"$out/d.csv"
gzip -k "$out/d.csv"
files() { echo "--in x=$1:0-2 --in y=$1:3"; }
gcc -std=c11 -O1 $link -DNN_NO_ZLIB -Iruntime -I"$out/c" -o "$out/without" "$out"/c/*.c "$B/libnetrt.a" -lm >"$out/log" 2>&1 &&
    "$out/without" train $(files "$out/d.csv") --steps 2 --save "$out/without.w" >"$out/log" 2>&1
result $? "a generated program with -DNN_NO_ZLIB and -lm reads what is not packed"
"$out/without" eval --weights "$out/without.w" $(files "$out/d.csv.gz") >"$out/stdout" 2>"$out/log"
[ $? = 1 ] && [ ! -s "$out/stdout" ] &&
    [ "$(cat "$out/log")" = "plain: $out/d.csv.gz: packed by gzip, and this program was built without zlib: gzip -d unpacks it" ]
result $? "and refuses .gz in one line of words"
gcc -std=c11 -O1 $link -Iruntime -I"$out/c" -o "$out/with" "$out"/c/*.c "$B/libnetrt.a" -lz -lm >"$out/log" 2>&1 &&
    "$out/with" train $(files "$out/d.csv.gz") --steps 2 --save "$out/with.w" >"$out/log" 2>&1 && cmp "$out/with.w" "$out/without.w" >"$out/log" 2>&1
result $? "with -lz it reads both, and trains to the same bytes"
"$out/with" info | head -n 1 | grep -q ', gz$' && "$out/without" info | head -n 1 | grep -q ', no gz$'
result $? "info says which it is"
