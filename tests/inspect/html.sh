#!/bin/bash
# --emit=html: the page works in a browser, for any text of the model, and without a network.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
result() { if [ "$1" = 0 ]; then echo "ok $2"; else echo "FAILED $2"; head -n 12 "$out/log"; fi; }

for net in digits mlp_layernorm charlm embed; do
    "$NETC" --emit=html -o "$out" "examples/$net/$net.net" 2>"$out/log" &&
        timeout 120 python3 tests/inspect/page.py "$out/$net.html" >"$out/log" 2>&1
    result $? "html: $net in a browser"
done

for net in lenet charlm gpt set_mlp rbm; do
    "$NETC" --emit=html,json -o "$out/drawn" "examples/$net/$net.net" 2>"$out/log" &&
        python3 tests/inspect/drawn.py "$out/drawn/$net.html" "$out/drawn/$net.json" >"$out/log" 2>&1
    result $? "html: $net draws what its JSON says"
done

# What would end a script, an element or an attribute, in the text and in the file's name.
odd="$out/a\"b'&<c> é.net"
cat >"$odd" <<'T'
# </script><script>throw Error("from the model")</script> <!-- <img src=x onerror="throw 1"> &lt; &amp; "'`
net odd {
    batch N = 4;
    input x : f32[N, 3];
    y = relu(x |> linear(2)); # ]]> </style> \u003c ${x}
    output y;
}
T
"$NETC" --emit=html -o "$out" "$odd" 2>"$out/log" && timeout 120 python3 tests/inspect/page.py "$out/odd.html" >"$out/log" 2>&1 &&
    [ "$(grep -c '</script>' "$out/odd.html")" = 2 ]
result $? "html: text that looks like HTML"

"$NETC" --emit=html -o "$out/1" "$odd" && "$NETC" --emit=html -o "$out/2" "$odd" && cmp "$out/1/odd.html" "$out/2/odd.html" >"$out/log" 2>&1 &&
    [ "$(ls "$out/1")" = odd.html ]
result $? "html: the same bytes each time, and no other file"
"$NETC" --emit=c,html -o "$out/3" "$odd" && "$NETC" -o "$out/4" "$odd" && cmp "$out/1/odd.html" "$out/3/odd.html" >"$out/log" 2>&1 &&
    rm "$out/3/odd.html" && diff -r "$out/3" "$out/4" >"$out/log" 2>&1
result $? "html: beside the C"
