#!/bin/bash
# What the pages for users show is so. The blocks of README.md marked sh run in their order, in one shell, in a copy of the
# tree, and print what the text block behind them says, times aside. Every fenced example of the language reference compiles,
# without a warning, under the name in its first line; those marked sh run likewise.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# A page's blocks in one script: each says into a file of its own; the last line of the script is reached if none failed.
blocks() { # blocks PAGE FOLDER
    awk -v dir="$2" '
        /^```/ {
            inside = !inside
            kind = inside ? substr($0, 4) : ""
            if (kind == "sh") print "exec >" dir "/" ++n ".got 2>&1" >(dir "/script")
            if (kind == "text") printf "" >(dir "/" n ".shown")
            next
        }
        kind == "sh" { print >(dir "/script") }
        kind == "text" { print >(dir "/" n ".shown") }
        END { print "exec >" dir "/done" >(dir "/script"); print n + 0 }' "$1"
}
untimed() { sed -E 's/[0-9.]+ (samples\/s|s|us|ms)\b/T \1/g' "$1"; }
run_page() { # run_page PAGE
    local dir=$out/run/$(basename "$(dirname "$1")") count i
    mkdir -p "$dir/tree"
    count=$(blocks "$1" "$dir")
    [ "$count" = 0 ] && return
    cp -r examples frontend ir passes codegen runtime netc.c Makefile README.md tests "$dir/tree" && ln -s "$PWD/$B" "$dir/tree/build"
    # what is built is what is tested: `make` would build it again, without the sanitizers perhaps
    { echo "make() { :; }"; [ -n "${SANITIZE:-}" ] && echo 'cc() { command cc -fsanitize=address,undefined "$@"; }'; } >"$dir/first"
    (cd "$dir/tree" && bash -c "set -eu; . $dir/first; . $dir/script")
    for ((i = 1; i <= count; i++)); do
        if [ ! -e "$dir/$((i + 1)).got" ] && [ ! -e "$dir/done" ]; then
            [ -e "$dir/$i.got" ] && cat "$dir/$i.got"
            echo "FAILED $1 block $i"
            return
        fi
        if [ ! -e "$dir/$i.shown" ] || diff <(untimed "$dir/$i.shown") <(untimed "$dir/$i.got"); then echo "ok $1 block $i"; else echo "FAILED $1 block $i prints something else"; fi
    done
}
run_page README.md
run_page frontend/README.md

awk -v dir="$out" '
    /^```/ { inside = !inside; first = inside && $0 == "```"; other = inside && !first; next }
    other { next }
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
