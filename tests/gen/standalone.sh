#!/bin/bash
# --standalone: the files compile alone, with libm, and without a warning; several modules are one program; what they
# compute is what they compute with the library.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
result() { if [ "$1" = 0 ]; then echo "ok $2"; else echo "FAILED $2"; head -n 12 "$out/log"; fi; }
warn="-Wall -Wextra -Wpedantic -Wconversion -Werror"
for net in digits charlm embed; do
    for options in "" "--dtype=f64" "--fp=portable" "--mode=infer" "--mode=train -O0"; do
        rm -rf "$out/c"
        "$NETC" $options --standalone --emit=c,app -o "$out/c" examples/$net/$net.net >"$out/log" 2>&1
        status=$?
        for cc in gcc clang; do
            [ $status = 0 ] && { (cd "$out/c" && for f in *.c; do $cc -std=c11 $warn -fsyntax-only "$f" || exit 1; done) >"$out/log" 2>&1 || status=1; }
        done
        result $status "$net $options stands alone"
    done
done

# gcc's own dialect knows arithmetic of half precision, where a CPU has that
rm -rf "$out/c"
"$NETC" --fp=portable --standalone --emit=c,app -o "$out/c" examples/digits/digits.net >"$out/log" 2>&1
for machine in native $([ "$(uname -m)" = x86_64 ] && echo sapphirerapids x86-64-v3); do
    (cd "$out/c" && for f in *.c; do gcc -march="$machine" -fsyntax-only "$f" || exit 1; done) >"$out/log" 2>&1
    result $? "portable, in gcc's own dialect, for $machine"
done

# a net may be called as something within the runtime is
for name in fill header check convert; do
    rm -rf "$out/c"
    sed "s/^net embed/net $name/" examples/embed/embed.net >"$out/$name.net"
    { "$NETC" --standalone --emit=c,app -o "$out/c" "$out/$name.net" && (cd "$out/c" && for f in *.c; do gcc -std=c11 $warn -fsyntax-only "$f" || exit 1; done); } >"$out/log" 2>&1
    result $? "a net called $name"
done

# nothing that is not needed
"$NETC" --standalone --mode=infer -o "$out/infer" examples/digits/digits.net
! grep -lE 'nn_checkpoint_save\(.*[^;]$|nn_npy|nn_app_fail' "$out"/infer/*.c >"$out/log"
result $? "inference carries no checkpoints, no readers of data, no program"
(cd "$out/infer" && gcc -std=c11 -O2 -DNN_CORE_ONLY -ffreestanding -c ./*.c && ld -r -o all.o ./*.o && nm -u all.o) >"$out/log" 2>&1 &&
    ! grep -vE '^ *U (mem(cpy|set|move|cmp)|strlen|_GLOBAL_OFFSET_TABLE_)$' "$out/log"
result $? "the core needs neither files nor heap"

# the same bytes as with the library
data="--in image=$out/data.csv:0-63 --in label=$out/data.csv:64"
gzip -dc examples/digits/digits.csv.gz | head -n 200 >"$out/data.csv"
"$NETC" --standalone --emit=c,app -o "$out/alone" examples/digits/digits.net && "$NETC" --emit=c,app -o "$out/with" examples/digits/digits.net &&
    (cd "$out/alone" && gcc -std=c11 -O2 -march=native -o ../digits_alone ./*.c -lm) >"$out/log" 2>&1 &&
    gcc -std=c11 -O2 -march=native -Iruntime -o "$out/digits_with" "$out"/with/*.c "$B/libnetrt.a" ${SANITIZE:+-fsanitize=address,undefined} -lz -lm >>"$out/log" 2>&1
result $? "a program without the library"
for program in alone with; do
    "$out/digits_$program" train $data --steps 12 --seed 3 --quiet --checkpoint "$out/$program.point" --save "$out/$program.w" 2>"$out/log"
done
cmp "$out/alone.w" "$out/with.w" >"$out/log" 2>&1 && cmp "$out/alone.point" "$out/with.point" >"$out/log" 2>&1
result $? "it trains to the same bytes, weights and checkpoint"
gzip "$out/data.csv"
packed="--in image=$out/data.csv.gz:0-63 --in label=$out/data.csv.gz:64"
! "$out/digits_alone" eval --weights "$out/with.w" $packed >"$out/log" 2>&1 && grep -q "built without zlib" "$out/log"
result $? ".gz data is refused in words"
(cd "$out/alone" && gcc -std=c11 -O1 -DNN_ZLIB -o ../digits_gz ./*.c -lm -lz) && "$out/digits_gz" eval --weights "$out/with.w" $packed >"$out/log" 2>&1
result $? "and read where built with -DNN_ZLIB -lz"

# two modules, one of them seen from C++, and the library, in one program
mkdir "$out/two"
"$NETC" --standalone -o "$out/two" examples/digits/digits.net && "$NETC" --standalone -o "$out/two" examples/embed/embed.net
cat >"$out/two/main.cc" <<'EOF'
#include "digits.h"
#include "embed.h"
#include <cstdio>
#include <cstring>
extern "C" const char *library(int code);
int main()
{
    digits *d = digits_new(1);
    embed *e = embed_new(1);
    int bad = digits_load(d, "nowhere") != NN_EFILE || embed_load(e, "nowhere") != NN_EFILE || !strstr(embed_error(e), "nowhere");
    std::puts(nn_strerror(NN_EFILE));
    bad |= std::strcmp(nn_strerror(NN_EFILE), library(NN_EFILE)) != 0;
    digits_free(d);
    embed_free(e);
    return bad;
}
EOF
printf '#include <netrt.h>\nconst char *library(int code);\nconst char *library(int code) { return nn_strerror(code); }\n' >"$out/two/library.c"
{ (cd "$out/two" && gcc -std=c11 -Wall -Werror -c ./digits*.c ./embed*.c) && gcc -std=c11 -Iruntime -c -o "$out/two/library.o" "$out/two/library.c" &&
    g++ -std=c++17 -Wall -Wextra -Wpedantic -Werror -o "$out/two/main" "$out/two/main.cc" "$out"/two/*.o "$B/libnetrt.a" ${SANITIZE:+-fsanitize=address,undefined} -lz -lm &&
    "$out/two/main"; } >"$out/log" 2>&1
result $? "two modules and the library in one program, used from C++"
"$NETC" --standalone -o "$out/again" examples/digits/digits.net && cmp "$out/again/digits.h" "$out/alone/digits.h" >"$out/log" && cmp "$out/again/digits.c" "$out/alone/digits.c" >"$out/log"
result $? "the same input gives the same bytes"
