#!/bin/bash
# Windows of a byte stream: a file holds as many as fit side by side, and one more byte only where a shifted input reads it.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
result() { if [ "$1" = 0 ]; then echo "ok $2"; else echo "FAILED $2"; head -n 30 "$out/log"; fi; }
cat >"$out/bytes.net" <<'END'
net bytes {
    batch N = 2;
    input a : u8[N, 24];
    input b : u8[N, 24];
    output sum = f32(a) + f32(b);
    loss mean(square(f32(b) - f32(a)));
}
END
"$NETC" --emit=c,app -o "$out/c" "$out/bytes.net" >"$out/log" 2>&1 &&
    gcc -std=c11 -O1 -Wall -Wextra -Werror -Iruntime -o "$out/bytes" "$out"/c/*.c "$B/libnetrt.a" ${SANITIZE:+-fsanitize=address,undefined} -lz -lm >"$out/log" 2>&1
result $? "compiles"
count() { # count BYTES NAMES WINDOWS: 0 where the file is refused
    awk -v n="$1" 'BEGIN { for (i = 0; i < n; i++) printf "%c", 65 + i % 26 }' >"$out/s.txt"
    rm -f "$out/y.csv"
    "$out/bytes" infer --windows "$2=$out/s.txt" --out "sum=$out/y.csv" >"$out/log" 2>&1
    local status=$? lines=0
    [ -e "$out/y.csv" ] && lines=$(wc -l <"$out/y.csv")
    [ "$lines" = "$3" ] && [ $status = $(($3 == 0)) ]
    result $? "$1 bytes for $2: $3 windows"
}
count 24 a,b 0
grep -q 's.txt holds 24 bytes, and a window takes 24 and the byte behind it$' "$out/log"
result $? "what is missing is said"
count 25 a,b 1
awk -F, '{ for (i = 1; i <= NF; i++) if ($i != 65 + (i - 1) % 26 + 65 + i % 26) bad = 1 } END { exit !NR || bad }' "$out/y.csv"
result $? "the second is shifted by one"
count 48 a,b 1
count 49 a,b 2
"$out/bytes" eval --windows "a,b=$out/s.txt" >"$out/log" 2>&1 && grep -q '^samples 2$' "$out/log"
result $? "eval takes as many"
sed -i -e '/input b/d' -e 's/f32(b)/1/' "$out/bytes.net"
"$NETC" --emit=c,app -o "$out/c" "$out/bytes.net" >"$out/log" 2>&1 &&
    gcc -std=c11 -O1 -Iruntime -o "$out/bytes" "$out"/c/*.c "$B/libnetrt.a" ${SANITIZE:+-fsanitize=address,undefined} -lz -lm >"$out/log" 2>&1
result $? "compiles with one input"
count 23 a 0
grep -q 's.txt holds 23 bytes, and a window takes 24$' "$out/log"
result $? "what is missing is said where nothing is shifted"
count 24 a 1
count 47 a 1
count 48 a 2
cat >"$out/learn.net" <<'END'
net learn {
    batch N = 4;
    input a : u8[N, 24];
    target b : u8[N, 24];
    y = f32(a) |> linear(24);
    loss mean(square(y - f32(b)));
    optimizer sgd(lr = 0);
}
END
"$NETC" --emit=c,app -o "$out/d" "$out/learn.net" >"$out/log" 2>&1 &&
    gcc -std=c11 -O1 -Iruntime -o "$out/learn" "$out"/d/*.c "$B/libnetrt.a" -fsanitize=address,undefined -lz -lm >"$out/log" 2>&1 &&
    printf 'abcdefghijklmnopqrstuvwxy' >"$out/s.txt" &&
    "$out/learn" train --windows "a,b=$out/s.txt" --steps 3 --log "$out/one.csv" --quiet >"$out/log" 2>&1 &&
    [ "$(cut -d, -f2 "$out/one.csv" | sort -u | wc -l)" = 2 ] &&
    printf 'abcdefghijklmnopqrstuvwxyz' >"$out/s.txt" &&
    "$out/learn" train --windows "a,b=$out/s.txt" --steps 30 --log "$out/two.csv" --quiet >"$out/log" 2>&1 &&
    [ "$(cut -d, -f2 "$out/two.csv" | sort -u | wc -l)" = 3 ]
result $? "training draws every start there is: one of 25 bytes, two of 26"
"$out/learn" train --windows "a,b=$out/s.txt" --steps 3 --checkpoint "$out/ck" --quiet >"$out/log" 2>&1 &&
    "$out/learn" train --windows "a,b=$out/s.txt" --steps 5 --resume "$out/ck" --quiet >"$out/log" 2>&1 &&
    sed 's/k/K/' "$out/s.txt" >"$out/other.txt" &&
    ! "$out/learn" train --windows "a,b=$out/other.txt" --steps 5 --resume "$out/ck" --quiet >"$out/log" 2>&1 &&
    grep -q 'was made on other samples' "$out/log"
result $? "a run is not resumed on another text"
