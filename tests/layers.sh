#!/bin/bash
# tests/layers.sh: who may include whom. frontend -> ir <- passes <- codegen; the runtime stands alone; only netc.c sees all.
# ir/ops.def may be included anywhere.
cd "$(dirname "$0")/.."
bad=0
allow() {       # allow FOLDER PATTERN: quoted includes in FOLDER's files must match the pattern
    while IFS=: read -r file line text; do
        name=$(sed 's/.*"\(.*\)".*/\1/' <<<"$text")
        [[ $name =~ ^($2)$ ]] && continue
        echo "$file:$line: may not include \"$name\""
        bad=1
    done < <(grep -rnE '^ *# *include "' "$1" --include='*.[chly]' --include='*.def')
}
allow ir 'ir/.*'
allow frontend 'ir/.*|frontend/.*|lexer.h|grammar.h'
allow passes 'ir/.*|passes/.*'
allow codegen 'ir/.*|codegen/.*'
allow runtime '[a-z_]*\.(h|inc)'
exit $bad
