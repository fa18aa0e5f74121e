#!/usr/bin/env bash
# Unpack packages of Debian trixie into DIR/root, beside whatever Debian this machine runs. Root is not needed and nothing is installed.
# usage: trixie_root.sh DIR PACKAGE[:ARCH]…
set -euo pipefail
dir=$(mkdir -p "$1" && cd "$1" && pwd)
shift
# The mirror that this machine already uses, whichever of the two source formats it is written in.
mirror=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1)
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
for package in "$@"; do
  apt-get -qq download "$package/trixie" || apt-get -qq download "$package"
done
for deb in *.deb; do dpkg -x "$deb" "$dir/root"; done
