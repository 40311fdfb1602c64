#!/bin/bash
# Every layer of the library with parameters, beside PyTorch's module of the same job (tests/reference/state_dict.py): its
# state dict is loaded by name, and outputs, loss, gradients and running statistics agree, to 1e-9 in f64 and 1e-5 in f32
# of a tensor's largest; at -O0 and -O2. In f64 the gradients are also central differences.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
figures=tests/reference/state_dict.safetensors
build() { # build NETC-OPTIONS: the objects of the model and of what drives it
    rm -rf "$out"/*
    "$NETC" $1 --verify --emit=c,app -o "$out" tests/models/state_dict.net &&
        for file in "$out"/layers*.c tests/models/state_dict.c; do
            $CC -std=c11 -march=native -Wall -Wextra -Wpedantic -Wconversion -Werror -Iruntime -I"$out" \
                ${SANITIZE:+-fsanitize=address,undefined} -c -o "$out/$(basename "$file" .c).o" "$file" || return 1
        done
}
link() { # link MAIN: the model with MAIN.o
    $CC ${SANITIZE:+-fsanitize=address,undefined} -o "$out/$1" "$out/$1.o" "$out"/layers{,_infer,_train}.o "$B/libnetrt.a" -lz -lm
}
report() { # report STATUS NAME
    if [ "$1" = 0 ]; then echo "ok state_dict $2"; else echo "FAILED state_dict $2"; fi
}
for level in 0 2; do
    build "-O$level --dtype=f64"
    link state_dict && "$out/state_dict" $figures 1e-9
    report $? "f64 -O$level"
    link layers_app && "$out/layers_app" check --weights $figures >"$out/log" || { grep -v '^ok' "$out/log"; false; }
    report $? "f64 -O$level, central differences"
    build "-O$level"
    link state_dict && "$out/state_dict" $figures 1e-5
    report $? "f32 -O$level"
done
