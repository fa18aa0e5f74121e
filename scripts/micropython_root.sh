#!/usr/bin/env bash
# Unpack Debian trixie's i386 MicroPython into a private folder, as DIR/micropython.
# usage: micropython_root.sh DIR
# 32-bit words give ESP32-sized heap blocks, so that -X heapsize=64k means what it says.
set -euo pipefail
dir=$(mkdir -p "$1" && cd "$1" && pwd)
if [[ -x $dir/micropython ]] && "$dir/micropython" -c 'pass' 2>/dev/null; then exit 0; fi
"$(dirname "$0")/trixie_root.sh" "$dir" {micropython,libc6,libffi8,libmbedcrypto16,libmbedtls21,libmbedx509-7}:i386
loader=$(find "$dir/root" -name 'ld-linux.so.2' | head -n 1)
cat >"$dir/micropython" <<RUN
#!/bin/sh
exec "$loader" --library-path "$(dirname "$loader"):$dir/root/usr/lib/i386-linux-gnu" "$dir/root/usr/bin/micropython" "\$@"
RUN
chmod +x "$dir/micropython"
"$dir/micropython" -X heapsize=64k -c 'import sys, gc; gc.collect(); print(sys.version, "free heap", gc.mem_free())'
