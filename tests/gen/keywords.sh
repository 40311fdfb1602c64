#!/bin/bash
# A keyword where a name belongs: whichever it is and wherever it stands, it is called one.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
keywords="import const block backward net batch input target param state update output loss metric optimizer freeze for if else
    in return scan yield frozen true false none training"
where=(                  # K: the keyword; V: one that is no value
    'net t { HEAD output K; }' 'net t { HEAD output K = x; }' 'net t { HEAD K = x; }' 'net t { HEAD y, K = moments(x); }'
    'net t { HEAD K, y = moments(x); }' 'net t { HEAD K[0] = linear(3); }' 'net t { HEAD y = linear(x, K = 3); }'
    'net t { HEAD y = x.K; }' 'net t { HEAD input K : f32[N]; }' 'net t { HEAD target K : f32[N]; }' 'net t { batch K = 4; }'
    'net t { HEAD param K : f32[3] = ones; }' 'net t { HEAD frozen param K : f32[3] = ones; }' 'net t { HEAD state K : f32[3] = ones; }'
    'net t { HEAD update K = x; }' 'net t { HEAD metric K = mean(x); }' 'net t { HEAD for K in 0..3 { y = x; } }' 'net t { HEAD freeze K; }'
    'net t { HEAD freeze a.K; }' 'net t { HEAD input y : K[N]; }' 'net t { HEAD y = scan (K in x; h = x) { yield h; }; }'
    'net t { HEAD y = scan (a in x; K = x) { yield K; }; }' 'net K { HEAD output x; }' 'block K(x) { return x; }' 'block b(K) { return x; }'
    'block b(x, K) { return x; }' 'block b(x; K) { return x; }' 'block b(x; K = 3) { return x; }' 'block b(x; a : K = 3) { return x; }'
    'block b(x) { return x; } backward (K) { return x; }' 'const K = 3;' 'const a = 1, K = 3;'
    'net t { HEAD y = V + x; }' 'net t { HEAD y = x + V; }' 'net t { HEAD y = x |> V; }' 'net t { HEAD y = V(x); }'
    'net t { HEAD optimizer V(lr = 1); }' 'block b(x) { return V; }'
)
for text in "${where[@]}"; do
    failed=
    for k in $keywords; do
        case $text:$k in *V*:true | *V*:false | *V*:none | *V*:training) continue ;; esac
        t=${text//HEAD/batch N = 4; input x : f32[N, 8];}
        t=${t//K/$k}
        echo "${t//V/$k}" >"$out/k.net"
        "$NETC" --color=never -o "$out/c" "$out/k.net" >"$out/log" 2>&1
        [ $? = 1 ] && head -n 4 "$out/log" | grep -q "'$k'.* keyword of the language" || failed="$failed $k"
    done
    [ -z "$failed" ] && echo "ok $text" || echo "FAILED $text:$failed"
done
