#!/usr/bin/env bash
# Unpack Debian trixie's i386 MicroPython into a private folder, beside whatever Debian this machine runs, as DIR/micropython.
# usage: micropython_root.sh DIR
# Root is not needed and nothing is installed. 32-bit words give ESP32-sized heap blocks, so that -X heapsize=64k means what it says.
set -euo pipefail
dir=$(mkdir -p "$1" && cd "$1" && pwd)
if [[ -x $dir/micropython ]] && "$dir/micropython" -c 'pass' 2>/dev/null; then exit 0; fi

# The mirror that this machine already uses, whichever of the two source formats it is written in.
mirror=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1 || true) # a machine with the old format has no such files
[[ -n $mirror ]] || mirror=$(awk '$1 == "deb" { print ($2 ~ /^\[/) ? $3 : $2; exit }' /etc/apt/sources.list)
mkdir -p "$dir/apt/lists/partial" "$dir/apt/cache/archives/partial" "$dir/debs" "$dir/root"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$dir/apt/sources.list"
cat >"$dir/apt/apt.conf" <<CONF
Dir::Etc::sourcelist "$dir/apt/sources.list";
Dir::Etc::sourceparts "/nonexistent";
Dir::State::Lists "$dir/apt/lists";
Dir::Cache "$dir/apt/cache";
APT::Architectures { "amd64"; "i386"; };
APT::Sandbox::User "$(id -un)";
CONF
export APT_CONFIG=$dir/apt/apt.conf
apt-get -qq update
cd "$dir/debs"
for package in micropython libc6 libffi8 libmbedcrypto16 libmbedtls21 libmbedx509-7; do
  apt-get -qq download "$package:i386/trixie" || apt-get -qq download "$package:i386"
done
for deb in *.deb; do dpkg -x "$deb" "$dir/root"; done
loader=$(find "$dir/root" -name 'ld-linux.so.2' | head -n 1)
cat >"$dir/micropython" <<RUN
#!/bin/sh
exec "$loader" --library-path "$(dirname "$loader"):$dir/root/usr/lib/i386-linux-gnu" "$dir/root/usr/bin/micropython" "\$@"
RUN
chmod +x "$dir/micropython"
"$dir/micropython" -X heapsize=64k -c 'import sys, gc; gc.collect(); print(sys.version, "free heap", gc.mem_free())'
