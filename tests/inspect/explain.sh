#!/bin/bash
# --explain: what passes change, told in lines of the model.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
result() { if [ "$1" = 0 ]; then echo "ok $2"; else echo "FAILED $2"; head -n 30 "$out/log"; fi; }

cat >"$out/a.ir" <<'T'
graph infer t (N = 4)
  input  %x : f32[N,8]
  %u : f32[N,8] = exp %x   # a.net:3 first
  %a : f32[N,8] = exp %x   # a.net:3 first
  %b : f32[N,8] = exp %x   # a.net:4
  %c : f32[N,8] = add %a, %b   # b.net:1
  %d : f32[N,8] = neg %u   # -
  output %c, name = y   # a.net:5
T
"$NETC" --from-ir "$out/a.ir" --passes=cse,dce,cse,outline,plan --explain=plan,cse --explain dce,outline,fuse >"$out/got" 2>"$out/log" &&
    diff - "$out/got" >"$out/log" <<'T'
cse: one copy of each value
  infer
    a.net:3  2 -> 1 operations
      gone: exp
    a.net:4  1 -> 0 operations
      gone: exp
dce: what nothing reads goes
  infer
    no line of the model  1 -> 0 operations
      gone: neg
cse: one copy of each value
  changes no operation
outline: every operation that is left alone becomes a group of its own
  infer
    a.net:3  1 operation
      into %0: exp
    b.net:1  1 operation
      into %2: add
plan: offsets of all values in one arena, with reuse
  infer (arena 192 bytes, at least 128)
    a.net:3  1 operation
      placed: %0 at 0
fuse: does not run
T
result $? "explain: the text for a small graph"

cat >"$out/s.ir" <<'T'
graph infer t (N = 4)
  input  %x : i32[N]
  %a : f32[N] = fused %x {   # s.net:1
    %1 : f32[N] = cast %x, to = f32   # s.net:1
    yield %1
  }
  fused %x {   # s.net:2
    bound %x, low = 0, high = 9   # s.net:2
    yield
  }
  output %a, name = y   # s.net:3
T
"$NETC" --from-ir "$out/s.ir" --passes=schedule --explain=schedule >"$out/got" 2>"$out/log" && diff - "$out/got" >"$out/log" <<'T'
schedule: an order that lowers the peak of live memory
  infer
    s.net:1  1 operation
      moved: %a from 1 to 2
T
result $? "explain: what moves"

cd "$out" || exit 1
cat >m.net <<'T'
net m {
    batch N = 4;
    input x : f32[N, 3];
    target t : f32[N, 2];
    y = x |> linear(2);
    output y;
    loss mse(y, t);
    optimizer sgd(lr = 0.1);
}
T
"$NETC" --explain=differentiate,optimize_step m.net >got 2>log && [ -z "$(ls m.h 2>/dev/null)" ] &&
    grep -q '^    m.net:5  [0-9]* -> [0-9]* operations$' got && grep -q '^  new variables: 2 grad$' got && grep -q '^  apply$' got
result $? "explain: a model, and no file is written"
"$NETC" --explain=differentiate -o with m.net >got 2>log && [ -s with/m.h ]
result $? "explain: a model, and where they go the files are written"
sed 's/x |> linear/x * 1 |> linear/' m.net >one.net
"$NETC" --explain=simplify one.net >got 2>log && grep -q '^      read by nothing now: .*constant' got
result $? "explain: what is left for dce"
"$NETC" --explain=fuse --emit=c -o c m.net >one 2>log && [ -s c/m.h ] && "$NETC" --explain=fuse m.net >two && cmp one two >log
result $? "explain: beside --emit, the same text each time"
"$NETC" --explain=fuze m.net >got 2>log
[ $? = 2 ] && [ ! -s got ] && grep -qF "netc: --explain: there is no pass 'fuze'; did you mean 'fuse'?" log
result $? "explain: an unknown pass"
"$NETC" --explain=fuse,vector m.net >got 2>log
[ $? = 2 ] && [ ! -s got ] && grep -qF -- "--dump-ir" log
result $? "explain: a pass over loops"
"$NETC" --explain "$out/a.net" >"$out/got" 2>&1
[ $? = 2 ] && grep -q "^netc: --explain names passes, then comes the model: --explain=fuse $out/a.net (netc --help)$" "$out/got"
result $? "a model in the place of passes"
