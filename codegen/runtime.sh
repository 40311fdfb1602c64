#!/bin/sh
# codegen/runtime.sh FILE...: C source on standard output that holds these files' texts, as the table that --standalone
# writes from (codegen/c_runtime.c).
set -eu
embed=$(dirname "$0")/../frontend/embed.sh
symbol() { printf 'runtime_%s' "$(basename "$1" | tr . _)"; }
echo '#include "codegen/c_runtime.h"'
for f; do
    sh "$embed" "$(symbol "$f")" "$f"
done
echo 'const struct runtime_file runtime_files[] = {'
for f; do
    echo "    { \"$(basename "$f")\", $(symbol "$f") },"
done
echo '    { 0, 0 }'
echo '};'
