#!/bin/bash
# Every fenced example of the language reference compiles, without a warning, under the name in its first line.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
awk -v dir="$out" '
    /^```/ { inside = !inside; first = inside; next }
    inside && first { file = dir "/" $2; sub(/:$/, "", file); first = 0 }
    inside { print > file }' frontend/README.md
for example in "$out"/*.net; do
    name=$(basename "$example" .net)
    if "$NETC" --verify -o "$out/c" --net "$name" "$example" >"$out/log" 2>&1 && [ ! -s "$out/log" ]; then
        echo "ok README $name"
    else
        cat "$out/log"
        echo "FAILED README $name"
    fi
done

# Every function and layer that a user can call stands in the reference. Those from "compile-time helpers" on and these
# blocks are the library's own.
own="gelu_erf gelu_tanh cross_entropy_last to_last free_energy channels_first channels_back adaptive_means to_heads rnn_steps gru_steps lstm_steps start_state recurrent"
missing=
for name in $(sed -n '/compile-time helpers/q; s/^BUILTIN(\([a-z0-9_]*\).*/\1/p' frontend/builtin.def) \
    $(sed -n 's/^block \([a-z0-9_]*\)(.*/\1/p' frontend/prelude.net); do
    case " $own " in *" $name "*) continue ;; esac
    grep -Eq "(\`$name\` |[^a-z_]$name([ (,]|$))" <(sed -n '/^### Each function/,$p' frontend/README.md) || missing="$missing $name"
done
if [ -z "$missing" ]; then echo "ok the reference has every function and layer"; else echo "FAILED the reference lacks:$missing"; fi
