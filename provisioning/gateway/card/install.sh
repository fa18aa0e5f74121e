#!/bin/sh
# The first start of a card that `vuong gateway card` prepared: program and packages from the card, then `vuong gateway setup`.
# systemd runs it again after a minute until it has succeeded; what was done is kept.
set -eu
here=$(dirname "$(readlink -f "$0")")
for deb in "$here"/debs/*.deb; do
  [ -e "$deb" ] || break # no packages on the card: `vuong gateway setup` fetches them
  DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "$here"/debs/*.deb
  break
done
if [ ! -x /opt/vuong/bin/vuong ]; then
  # Without pip, so that python3-venv need not be there; the wheel of pip runs as it is.
  python3 -m venv --without-pip /opt/vuong
  for pip in "$here"/wheels/pip-*.whl; do
    /opt/vuong/bin/python "$pip/pip" install --quiet --no-index --find-links "$here/wheels" "vuong[gateway]"
  done
fi
if [ -e "$here/bundle.tar" ]; then
  if [ -e "$here/pin" ]; then
    /opt/vuong/bin/vuong gateway setup --bundle "$here/bundle.tar" --pin-file "$here/pin"
  else
    /opt/vuong/bin/vuong gateway setup --bundle "$here/bundle.tar"
  fi
  # What is secret leaves the boot partition, which every computer can read.
  rm -f "$here/bundle.tar" "$here/pin"
fi
for name in user-data firstrun.sh; do
  rm -f "$here/../$name"
done
systemctl disable vuong-first-start.service
