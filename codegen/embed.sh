#!/bin/sh
# codegen/embed.sh SYMBOL FILE...: C source on standard output that holds the files' text, for what netc carries inside
# itself. One file: `const char SYMBOL[]`. Several: `struct embedded { name, text }` entries in SYMBOL[], ended by NULL.
set -eu
symbol=$1
shift
bytes() { od -An -v -tu1 "$1" | sed 's/  *\([0-9][0-9]*\)/\1,/g'; }
if [ $# = 1 ]; then
    printf 'extern const char %s[];\nconst char %s[] = {\n' "$symbol" "$symbol"
    bytes "$1"
    printf '0};\n'
    exit
fi
printf '#include "codegen/embedded.h"\n'
i=0
for f; do
    printf 'static const char text_%d[] = {\n' "$i"
    bytes "$f"
    printf '0};\n'
    i=$((i + 1))
done
printf 'const struct embedded %s[] = {\n' "$symbol"
i=0
for f; do
    printf '    { "%s", text_%d },\n' "$(basename "$f")" "$i"
    i=$((i + 1))
done
printf '    { 0, 0 }\n};\n'
