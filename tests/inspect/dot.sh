#!/bin/bash
# --emit=dot: Graphviz takes it without a word for every example, whatever the model's path holds, and what it says is
# what the graph is.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
result() { if [ "$1" = 0 ]; then echo "ok $2"; else echo "FAILED $2"; head -n 12 "$out/log"; fi; }

draw() { # draw FILE: the drawing is made and nothing is complained about
    dot -Tsvg "$1" >"$out/svg" 2>"$out/log" && [ ! -s "$out/log" ] && grep -q '</svg>' "$out/svg"
}
for net in digits lenet mlp_layernorm charlm embed; do
    for options in -O0 -O2; do
        "$NETC" $options --emit=dot -o "$out" "examples/$net/$net.net" 2>"$out/log" && draw "$out/$net.dot"
        result $? "dot: $net $options"
    done
done

model='net tiny { batch N = 4; input x : f32[N, 3]; param w : f32[3] = normal(0, 1); y = exp(x) * w; output y; }'
odd="$out/a\"b\\n & <c> é.net"
printf '%s\n' "$model" >"$odd"
"$NETC" --emit=dot -o "$out" "$odd" 2>"$out/log" && draw "$out/tiny.dot" && grep -qF 'a&quot;b\n &amp; &lt;c&gt; é.net:1' "$out/svg"
result $? "dot: any file name"

(cd "$out" && printf '%s\n' "$model" >tiny.net && "$NETC" -O0 --emit=dot tiny.net) >"$out/log" 2>&1 &&
    diff - "$out/tiny.dot" >"$out/log" <<'T'
digraph "tiny" {
  node [shape=box, style="filled,rounded", fillcolor=white, fontname="sans-serif", fontsize=10];
  graph [fontname="sans-serif", fontsize=12];
  edge [color="#64748b"];
  subgraph cluster_infer_0 {
    label="infer";
    infer_v0 [shape=ellipse, fillcolor="#dbeafe", label="%x\ninput f32[N,3]"];
    infer_v1 [shape=cylinder, fillcolor="#fde68a", label="@w\nparam f32[3]"];
    subgraph cluster_infer_1 {
      label="fused %0"; style="filled,rounded"; fillcolor="#f0fdf4"; color="#86a08c";
      infer_o2 [label="exp\n%1 : f32[N,3]\ntiny.net:1"];
    }
    subgraph cluster_infer_3 {
      label="fused %2"; style="filled,rounded"; fillcolor="#f0fdf4"; color="#86a08c";
      infer_o4 [label="broadcast\n%3 : f32[N,3]\ntiny.net:1"];
    }
    subgraph cluster_infer_5 {
      label="fused %4"; style="filled,rounded"; fillcolor="#f0fdf4"; color="#86a08c";
      infer_o6 [label="mul\n%5 : f32[N,3]\ntiny.net:1"];
    }
    infer_o7 [label="output\ntiny.net:1"];
  }
  infer_v0 -> infer_o2;
  infer_v1 -> infer_o4;
  infer_o2 -> infer_o6;
  infer_o4 -> infer_o6;
  infer_o6 -> infer_o7;
}
T
result $? "dot: the text of a small net"
"$NETC" --emit=dot --mode=infer -o "$out" examples/digits/digits.net 2>"$out/log" && ! grep -q cluster_train "$out/digits.dot" &&
    [ "$(ls "$out"/digits*)" = "$out/digits.dot" ]
result $? "dot: only the graphs of the mode, and no other file"
