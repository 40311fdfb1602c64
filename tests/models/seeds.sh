#!/bin/bash
# The figures of seeds.net, one test each: batch normalisation in training (1: of [2, 3, 5], 2: of [1, 1, 4, 2] whose inputs
# are rounded to four decimals) and moments over one axis (3) and over three (4).
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
"$NETC" --verify --dtype=f64 --emit=c -o "$out" tests/models/seeds.net &&
    $CC -std=c11 -O0 -DMODEL=seeds_model -Iruntime -I"$out" ${SANITIZE:+-fsanitize=address,undefined} -o "$out/drive" \
        tests/models/drive.c "$out"/seeds*.c "$B/libnetrt.a" -lz -lm || { echo "FAILED seeds: it does not compile"; exit 1; }
"$out/drive" >"$out/found" <<'END'
set bn1 1 0 2 0 0 0 1 0 3 8 2 5 3 0 6 1 0 2 7 6 5 1 0 1 1 3 5 3 0 0
set bn2 -0.1972 0.7265 -0.1274 -0.3454 -0.4251 -0.3399 -0.0634 1.6831
set rows .2182 .9085 .3319 .3531 .3642 .6632 .3902 .5621 .3267 .0696 .1570 .3461 .4564 1.0 .5459 .1419 .0855 .2092 .5688 .2629
set maps .3377 .0040 .1068 .8988 .8476 .4406 .2373 .8555 .5407 .0875 .8951 .0701 .9436 .8168 .6496 .9063 .3542 .3073 .5269 .7035 .4117 .2906 .5506 .3359 .9111 .6993 .8829 .9526 .2769 .9301 .2550 .0682 .5667 .2577 .5471 .3435
infer
step
tensors
END
check() { # check NAME WORD TOLERANCE VALUE ...
    local name=$1 word=$2 most=$3
    shift 3
    if grep "^$word " "$out/found" | awk -v most="$most" -v want="$*" '
        { n = split(want, w, " "); good = n == NF - 1
          for (i = 1; i <= n; i++) { d = w[i] - $(i + 1); if (!(d <= most && -d <= most)) good = 0 } }
        END { exit !good }'; then
        echo "ok seeds $name"
    else
        grep "^$word " "$out/found"
        echo "FAILED seeds $name"
    fi
}
one="-0.3708 -0.7829 0.0412 -0.7829 -0.7829 -0.8032 -0.4016 -0.8032 0.4016 2.4097 -0.3333 1.0952 0.1429 -1.2857 1.5714
-0.3708 -0.7829 0.0412 2.1014 1.6894 1.2048 -0.4016 -0.8032 -0.4016 -0.4016 0.1429 1.0952 0.1429 -1.2857 -1.2857"
check figure_1_batchnorm1d figure_1 5.1e-5 $one
check figure_1_batch_statistics_in_inference figure_1_inferred 5.1e-5 $one
check figure_2_batchnorm2d figure_2 3e-4 -0.4555 0.8969 -0.3534 -0.6725 -0.7892 -0.6645 -0.2596 2.2976
check figure_3_moments_mean mean_3 5.1e-5 0.3445 0.4517
# inputs rounded by 5e-5 at a mean deviation of about 0.15 add 2 * 0.15 * 5e-5 to the rounding of the result
check figure_3_moments_variance variance_3 6.5e-5 0.0224 0.0924
check figure_4_moments_of_channels mean_4 5.1e-5 0.4546 0.6116 0.5013
