#!/bin/bash
# -v: what an instance takes is said of what it can do.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
result() { if [ "$1" = 0 ]; then echo "ok $2"; else echo "FAILED $2"; head -n 30 "$out/log"; fi; }

cat >"$out/a.net" <<'T'
net a {
    batch N = 4;
    input x : f32[N, 3];
    y = x |> linear(2);
    output y;
    loss mean(y);
    optimizer adam();
}
T
for mode in infer train both; do
    case $mode in
    infer) says="8 parameters, B bytes an instance that infers" ;;
    train) says="8 parameters, B bytes an instance that trains" ;;
    both) says="8 parameters, B bytes an instance that infers, B bytes an instance that trains" ;;
    esac
    "$NETC" -v --mode $mode -o "$out/c" "$out/a.net" >"$out/log" 2>&1 &&
        sed -n 's/^a  *\([0-9]* parameters\)/\1/p' "$out/log" | sed 's/[0-9]* bytes/B bytes/g' >"$out/got" &&
        echo "$says" | diff - "$out/got" >"$out/log"
    result $? "-v of --mode $mode"
done
