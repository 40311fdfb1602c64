#!/bin/bash
# A wrong command line: status 2, one line on standard error that says what was meant or what there is, and no file written.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cat >"$out/two.net" <<'END'
const width = 8;
net first { batch N = 2; input x : f32[N, 3]; y = x |> linear(width); output y; }
net second { batch N = 2; input x : f32[N, 3]; y = x |> linear(width); output y; }
END
wrong() { # wrong WORDS OPTION...: netc with these options says just that
    local words=$1
    shift
    rm -rf "$out/c"
    (cd "$out" && "$NETC" -o "$out/c" "$@" two.net) >"$out/stdout" 2>"$out/stderr"
    if [ $? = 2 ] && [ ! -s "$out/stdout" ] && [ ! -e "$out/c" ] && [ "$(cat "$out/stderr")" = "$words" ]; then
        echo "ok netc $*"
    else
        echo "FAILED netc $*"
        cat "$out/stderr"
    fi
}
wrong "netc: there is no option '--emitt'; did you mean '--emit'? (netc --help)" --emitt=c
wrong "netc: there is no option '--embed_weights'; did you mean '--embed-weights'? (netc --help)" --embed_weights w
wrong "netc: there is no option '-batch'; did you mean '--batch'? (netc --help)" -batch 4
wrong "netc: there is no option '-emit'; did you mean '--emit'? (netc --help)" -v -emit=c
wrong "netc: there is no option '-X' (netc --help)" -vX
wrong "netc: there is no option '--xyzzy' (netc --help)" --xyzzy
wrong "netc: there is no option '--em'; did you mean '--emit' or '--embed-weights'? (netc --help)" --em=c
wrong "netc: there is no option '--stand'; did you mean '--standalone'? (netc --help)" --stand
wrong "netc: there is no option '--batc'; did you mean '--batch'? (netc --help)" --batc=4
wrong "netc: there is no option '--batc'; did you mean '--batch'? (netc --help)" --batc 4
wrong "netc: --verify=3: this option takes no value (netc --help)" --verify=3
wrong "netc: --emit cannot be 'cc': one of c, app, ir, dot, html, json" --emit=c,cc
wrong "netc: --mode cannot be 'trian': one of both, train, infer" --mode=trian
wrong "netc: --dtype cannot be 'f16': one of f32, f64" --dtype=f16
wrong "netc: no such level: -O3; there are -O0, -O1 and -O2 (netc --help)" -O3
wrong "netc: --batch wants a whole number from 1 to 2147483647, not 'x' (netc --help)" --batch x
for option in --disable --dump-ir --passes --explain; do
    wrong "netc: $option: there is no pass 'fues'; did you mean 'fuse'? (netc --print-passes)" $option=fues
    wrong "netc: $option: there is no pass 'xyzzy' (netc --print-passes)" $option=cse,xyzzy
done
wrong "netc: -D wants NAME=VALUE, not 'width' (netc --help)" -D width
wrong "-D: error: -D widht=4 sets no constant of the model
-D: hint: did you mean 'width'?" --net first -D widht=4
wrong "-D: error: -D dd=4 sets no constant of the model
-D: hint: its constants: width; one is declared before the nets: const dd = ...;" --net first -D dd=4
wrong "two.net: error: no net is called 'frist': there is first, second" --net frist
wrong "two.net: error: there are several nets: choose one with --net (first, second)"
"$NETC" "$out/two.net" --batch 2>"$out/stderr"
if [ $? = 2 ] && [ "$(cat "$out/stderr")" = "netc: --batch needs a value (netc --help)" ]; then echo "ok a value left out"; else echo "FAILED a value left out"; fi
# A pass that code generation cannot do without is neither disabled nor left out of --passes where C is to come out.
for pass in inline_eval differentiate inline_train optimize_step outline plan; do
    wrong "netc: --disable: code generation needs the pass '$pass' (netc --help)" --net first --disable=cse,$pass
done
wrong "netc: --disable: code generation needs the pass 'plan' (netc --help)" --net first --disable=plan --emit=c --dump-ir=fuse
wrong "netc: --passes: code generation needs the pass 'inline_eval' too, in its place (netc --help)" --net first --passes=cse
all=$("$NETC" --print-passes | awk '$1 == "lower" { exit } { print $1 }' | paste -sd,)
wrong "netc: --passes: code generation needs the pass 'plan' too, in its place (netc --help)" --net first --passes=${all/,plan/}
wrong "netc: --passes: the pass 'cse' does not stand in its place (netc --help)" --net first --passes=$all,cse
"$NETC" --passes=cse --net first "$out/two.net" >"$out/stdout" 2>"$out/stderr"
if [ $? = 2 ] && [ ! -s "$out/stdout" ] && [ "$(cat "$out/stderr")" = \
    "netc: --passes=cse: with --dump-ir or --explain it shows something, with --emit or -o it writes something (netc --help)" ]; then
    echo "ok --passes for nothing"
else
    echo "FAILED --passes for nothing"
fi
if "$NETC" --net first --passes=$all -o "$out/a" "$out/two.net" && "$NETC" --net first -o "$out/b" "$out/two.net" && diff -r "$out/a" "$out/b"; then
    echo "ok --passes with all of them"
else
    echo "FAILED --passes with all of them"
fi
if "$NETC" --net first --disable=plan --dump-ir=fuse "$out/two.net" | grep -q '^graph infer'; then echo "ok --disable=plan for a dump"; else echo "FAILED --disable=plan for a dump"; fi
for pass in $("$NETC" --print-passes | awk '{ print $1 }' | sort -u); do
    "$NETC" --net first --disable=$pass -o "$out/c" "$out/two.net" 2>/dev/null
    case $? in 0 | 2) ;; *) echo "FAILED --disable=$pass" ;; esac
done
if [ -c /dev/full ]; then
    "$NETC" --dump-ir=fuse --net first "$out/two.net" >/dev/full 2>"$out/stderr"
    if [ $? = 3 ] && [ "$(cat "$out/stderr")" = "netc: standard output cannot be written: No space left on device" ]; then echo "ok a dump to a full disk"; else echo "FAILED a dump to a full disk"; fi
fi
