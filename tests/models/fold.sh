#!/bin/bash
# Inference without its BatchNorms: nothing is left in graph infer that multiplies, divides or subtracts, but on the image
# itself, before a border of zeros. (state_dict.sh compares the values.) fold.net has all forms of it: its values are those
# of the steps as they are written.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for net in examples/{lenet/lenet,resnet20/resnet20,mobilenet/mobilenet,unet/unet}.net tests/models/fold.net; do
    left=$("$NETC" --mode=infer --dump-ir=plan "$net" 2>&1 | awk '
        /^graph / { infer = $2 == "infer"; graphs += infer }
        infer && / = (rsqrt|sqrt|mul|sub|div|neg) / && !/f32\[N,3,32,32\]/
        END { if (graphs != 1) print "no graph infer" }')
    if [ -z "$left" ]; then
        echo "ok fold: $net"
    else
        echo "FAILED fold: $net"
        echo "$left" | head -n 5
    fi
done

values() { # values NAME OPTION ...: what inference of fold.net gives, compiled with these options
    mkdir -p "$out/$1"
    "$NETC" --verify --dtype=f64 "${@:2}" -o "$out/$1" tests/models/fold.net &&
        $CC -std=c11 -Wall -Wextra -Wpedantic -Wconversion -Werror -O1 -DMODEL=fold_model -Iruntime -I"$out/$1" \
            ${SANITIZE:+-fsanitize=address,undefined} -o "$out/$1/drive" "$out/$1"/*.c tests/models/drive.c \
            "$B/libnetrt.a" -lz -lm &&
        printf 'fill weight bias running .w .s .c\ninfer\n' | "$out/$1/drive" >"$out/$1.values"
}
values folded && values written --disable=fold_affine || { echo "FAILED fold: it does not compile"; exit; }
paste -d ' ' "$out/folded.values" "$out/written.values" | awk '
    { half = NF / 2; worst = 0; most = 1e-300
      for (i = 2; i <= half; i++) {
          d = $i - $(i + half); d = d < 0 ? -d : d; m = $i < 0 ? -$i : $i
          worst = d > worst ? d : worst; most = m > most ? m : most
          finite += $i ~ /^-?[0-9]/ && m < 1e300
      }
      count += half - 1; if (!(worst <= 1e-12 * most)) print "FAILED fold: " $1 " is off by " worst " of " most
      else right++ }
    END { if (finite != count || NR < 50) print "FAILED fold: " finite " of " count " values are numbers"
          else if (right == NR) print "ok fold: values" }'
