#!/bin/bash
# Inference without its BatchNorms: nothing is left in graph infer that multiplies, divides or subtracts, but on the image
# itself, before a border of zeros. (state_dict.sh compares the values.)
set -u
for net in lenet resnet20 mobilenet unet; do
    left=$("$NETC" --mode=infer --dump-ir=plan "examples/$net/$net.net" 2>&1 | awk '
        /^graph / { infer = $2 == "infer"; graphs += infer }
        infer && / = (rsqrt|sqrt|mul|sub|div) / && !/f32\[N,3,32,32\]/
        END { if (graphs != 1) print "no graph infer" }')
    if [ -z "$left" ]; then
        echo "ok fold: $net"
    else
        echo "FAILED fold: $net"
        echo "$left" | head -n 5
    fi
done
