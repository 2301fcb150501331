#!/bin/sh
# Installs ONNX Runtime's shared library, pinned and hash-checked, out of the wheel that its makers publish.
#
#   deploy/fetch-onnxruntime.sh [ARCHITECTURE [DESTINATION]]
#
# ARCHITECTURE is x86_64 or aarch64 (amd64 and arm64 are taken too); this machine's unless given, so that an image for
# the other one can be built here. DESTINATION is a folder, .runtime/onnxruntime/ARCHITECTURE of this repository unless
# given; it receives libonnxruntime.so, LICENSE and ThirdPartyNotices.txt. Standard output is the library's path and
# nothing else. Needs python3 with pip; pip's own configuration (mirror, proxy, wheel folder) applies.
#
# Both the wheel and the library inside are checked against the hashes below. To move to another version, change the
# version and all four; `ort` in Cargo.toml says which API it must offer.
set -eu

version=1.31.1

say() { printf 'fetch-onnxruntime: %s\n' "$*" >&2; }
fail() { say "$@"; exit 1; }

case "${1:-$(uname -m)}" in
    x86_64 | amd64)
        architecture=x86_64
        wheel_sha256=1f3dea47f2f0e5117c2404cea7d21fd253ae7836a3bf167a501cdfbb2600d536
        library_sha256=fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3
        ;;
    aarch64 | arm64)
        architecture=aarch64
        wheel_sha256=0b9a492176886992e0e875f06bc0367e333f5fff11711a2d642e18b02f3009cc
        library_sha256=8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467
        ;;
    *) fail "there is no pinned library for '${1:-$(uname -m)}': x86_64 and aarch64 are known" ;;
esac
destination=${2:-$(dirname "$0")/../.runtime/onnxruntime/$architecture}

command -v python3 >/dev/null || fail "python3 is needed, with pip (Debian, Ubuntu: apt-get install python3-pip)"

has_library() { # FILE
    [ -f "$1" ] && printf '%s  %s\n' "$library_sha256" "$1" | sha256sum -c >/dev/null 2>&1
}

mkdir -p "$destination" || fail "cannot create $destination"
destination=$(cd "$destination" && pwd)
library=$destination/libonnxruntime.so
if has_library "$library"; then
    printf '%s\n' "$library"
    exit 0
fi

python3 -m pip --version >/dev/null 2>&1 ||
    fail "python3 has no pip (Debian, Ubuntu: apt-get install python3-pip; elsewhere: python3 -m ensurepip)"

# Beside the destination, so that the last step is a rename within one file system.
staging=$(mktemp -d "$destination/.staging.XXXXXX")
trap 'rm -rf "$staging"' EXIT
trap 'exit 1' HUP INT TERM

say "downloading ONNX Runtime $version for $architecture"
printf 'onnxruntime==%s --hash=sha256:%s\n' "$version" "$wheel_sha256" >"$staging/requirements.txt"
# Which CPython the wheel is for does not matter: only the library inside is used.
python3 -m pip --disable-pip-version-check --no-input --quiet download --require-hashes --only-binary=:all: --no-deps \
    --platform "manylinux_2_28_$architecture" --python-version 3.12 --implementation cp \
    --dest "$staging" --requirement "$staging/requirements.txt" >&2 ||
    fail "pip could not download onnxruntime $version (its message is above): check the network and pip's configuration"

python3 - "$staging" <<'PYTHON' || fail "the wheel could not be unpacked"
import pathlib, shutil, sys, zipfile

staging = pathlib.Path(sys.argv[1])
(wheel,) = staging.glob("onnxruntime-*.whl")
with zipfile.ZipFile(wheel) as archive:
    (library,) = [name for name in archive.namelist() if name.startswith("onnxruntime/capi/libonnxruntime.so")]
    for name, file in [
        ("onnxruntime/LICENSE", "LICENSE"),
        ("onnxruntime/ThirdPartyNotices.txt", "ThirdPartyNotices.txt"),
        (library, "libonnxruntime.so"),
    ]:
        with archive.open(name) as source, open(staging / file, "wb") as target:
            shutil.copyfileobj(source, target)
PYTHON
has_library "$staging/libonnxruntime.so" || fail "the library inside the wheel is not the one that is pinned"

# The library last: once it is there, all is.
chmod 644 "$staging/LICENSE" "$staging/ThirdPartyNotices.txt" "$staging/libonnxruntime.so"
for file in LICENSE ThirdPartyNotices.txt libonnxruntime.so; do
    mv -f "$staging/$file" "$destination/$file"
done
printf '%s\n' "$library"
