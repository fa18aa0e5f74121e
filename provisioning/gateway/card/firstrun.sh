#!/bin/bash
# Raspberry Pi OS bookworm runs this once, before anything else (cmdline.txt), and starts again. Written by `vuong gateway card`.
set +e
boot=$(dirname "$(readlink -f "$0")")
# shellcheck disable=SC2016 # what is quoted is meant as it stands
name=@HOST@ user=@USER@ password=@PASSWORD@ key=@KEY@ ssid=@SSID@ psk=@PSK@ country=@COUNTRY@
tools=/usr/lib/raspberrypi-sys-mods/imager_custom
if [[ -x $tools ]]; then
  "$tools" set_hostname "$name"
else
  echo "$name" >/etc/hostname
  sed -i "s/^127\.0\.1\.1.*/127.0.1.1\t$name/" /etc/hosts
fi
if [[ -x /usr/lib/userconf-pi/userconf ]]; then
  /usr/lib/userconf-pi/userconf "$user" "$password"
else
  id "$user" >/dev/null 2>&1 || useradd --create-home --shell /bin/bash --groups sudo "$user"
  usermod --password "$password" "$user"
fi
if [[ -n $key ]]; then
  home=$(getent passwd "$user" | cut -d: -f6)
  install -d -m 700 -o "$user" -g "$user" "$home/.ssh"
  printf '%s\n' "$key" >"$home/.ssh/authorized_keys"
  chown "$user:$user" "$home/.ssh/authorized_keys"
  chmod 600 "$home/.ssh/authorized_keys"
fi
printf '%s ALL=(ALL) NOPASSWD:ALL\n' "$user" >"/etc/sudoers.d/010-$user"
chmod 440 "/etc/sudoers.d/010-$user"
systemctl enable ssh
if [[ $password == '*' ]]; then
  printf 'PasswordAuthentication no\n' >/etc/ssh/sshd_config.d/50-vuong.conf
fi
if [[ -n $ssid && -x $tools ]]; then
  "$tools" set_wlan "$ssid" "$psk" "$country"
fi
install -m 644 "$boot/vuong/vuong-first-start.service" /etc/systemd/system/vuong-first-start.service
systemctl enable vuong-first-start.service
sed -i 's| systemd\.run.*||' "$boot/cmdline.txt"
rm -f "$boot/firstrun.sh"
exit 0
