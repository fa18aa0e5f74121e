#!/usr/bin/env bash
# What the tests need of the system: Mosquitto, nginx, PostgreSQL with PostGIS, Patroni and etcd, Chromium, systemd's tools, and MicroPython in a private folder of this checkout.
# Where it cannot install (no Debian, no root), it says loudly what will be left out; those tests then skip and name the same reason.
set -uo pipefail
cd "$(dirname "$0")/.."
missing=()
want() { command -v "$1" >/dev/null 2>&1 || [[ -x /usr/sbin/$1 ]] || compgen -G "/usr/lib/postgresql/*/bin/$1" >/dev/null || missing+=("$2"); }
want mosquitto mosquitto
want mosquitto_sub mosquitto-clients
want initdb postgresql
want chromium chromium
want patroni patroni
want etcd etcd-server
want socat socat
want npm npm
want victoria-metrics victoria-metrics
want systemd-analyze systemd
want mkfs.ext4 e2fsprogs
want nsenter util-linux
want nft nftables
want shellcheck shellcheck
want nginx nginx-light
# PostGIS is packaged for each release of the server: for the newest that is here (the tests start that one), or else the one that is about to come.
installed() { printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sed -nE 's#.*/([0-9]+)/bin/initdb$#\1#p' | sort -n | tail -1; }
coming() { apt-cache depends postgresql | sed -nE 's#.*Depends: postgresql-([0-9]+)$#\1#p' | head -1; }
[[ -f /usr/share/postgresql/$(installed)/extension/postgis.control ]] || missing+=(postgis)
if ((${#missing[@]})); then
  if ! command -v apt-get >/dev/null; then
    as_root=none
  elif [[ $(id -u) == 0 ]]; then
    as_root=""
  elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root="sudo"
  else
    as_root=none
  fi
  if [[ $as_root == none ]]; then
    printf '\n*** LEFT OUT: %s cannot be installed here (needs apt and root or sudo). Tests that need them will be skipped. ***\n\n' "${missing[*]}" >&2
  else
    echo "installing ${missing[*]}"
    $as_root apt-get -qq update
    release=$(installed)
    missing=("${missing[@]/#postgis/postgresql-${release:-$(coming)}-postgis-3}")
    DEBIAN_FRONTEND=noninteractive $as_root apt-get -qq -y --no-install-recommends install "${missing[@]}" >/dev/null || {
      printf '\n*** apt could not install %s ***\n\n' "${missing[*]}" >&2
      exit 1
    }
  fi
fi
if command -v apt-get >/dev/null && command -v dpkg >/dev/null; then
  scripts/micropython_root.sh .micropython || {
    printf '\n*** MicroPython could not be unpacked ***\n\n' >&2
    exit 1
  }
  # Not installed, because it would take a part in this machine's next start: its checker reads what `vuong gateway card` writes.
  [[ -d .cloud-init/root/usr/lib/python3/dist-packages/cloudinit ]] ||
    scripts/trixie_root.sh .cloud-init cloud-init python3-configobj python3-jsonpatch python3-json-pointer python3-oauthlib || {
    printf '\n*** cloud-init could not be unpacked ***\n\n' >&2
    exit 1
  }
  # Not installed either, because it would take over this machine's clock: the time server that the node's NTP is tested against.
  [[ -x .chrony/usr/sbin/chronyd ]] ||
    (mkdir -p .chrony && cd .chrony && { apt-get -qq download chrony || { apt-get -qq update && apt-get -qq download chrony; }; } && dpkg -x chrony_*.deb .) || {
    printf '\n*** LEFT OUT: chrony could not be unpacked; the test of NTP against it is skipped ***\n\n' >&2
  }
else
  printf '\n*** LEFT OUT: MicroPython needs apt and dpkg (Debian). Tests under the real interpreter will be skipped. ***\n\n' >&2
fi
