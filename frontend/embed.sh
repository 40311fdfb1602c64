#!/bin/sh
# frontend/embed.sh SYMBOL FILE: C source on standard output that holds the file's text as `const char SYMBOL[]`.
set -eu
printf 'extern const char %s[];\nconst char %s[] = {\n' "$1" "$1"
od -An -v -tu1 "$2" | sed 's/  *\([0-9][0-9]*\)/\1,/g'
printf '0};\n'
