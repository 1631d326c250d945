#!/bin/sh
# Removes the Perennial backup client from this machine. With --purge its settings and its identity go too; its backups stay on the server.
set -eu

purge=no
case ${1:-} in
  '') ;;
  --purge) purge=yes ;;
  *)
    echo 'perennial-uninstall [--purge]' >&2
    exit 2
    ;;
esac
if [ "$(id -u)" != 0 ]; then
  echo 'perennial: run it as root' >&2
  exit 1
fi

unit=/etc/systemd/system/perennial-client.service
if command -v systemctl >/dev/null && [ -e "$unit" ]; then
  systemctl disable --quiet perennial-client.service
  if [ -d /run/systemd/system ]; then systemctl stop perennial-client.service; fi
  rm -f "$unit"
  if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
fi
# A server on this machine is the same program.
if [ ! -e /etc/systemd/system/perennial-server.service ]; then rm -f /usr/local/bin/perennial; fi
if [ "$purge" = yes ] && [ -e /usr/bin/perennial ]; then
  echo 'perennial: settings and identity stay, as they are those of the package now' >&2
  purge=no
fi
if [ "$purge" = yes ]; then
  rm -rf /var/lib/perennial/client
  rm -f /etc/perennial/client.toml
  rmdir /var/lib/perennial /etc/perennial 2>/dev/null || true
  echo 'The client is removed, with its settings and its identity. Its backups are on the server.'
else
  rm -f /var/lib/perennial/client/token
  echo 'The client is removed. Its settings and its identity stay in /etc/perennial and /var/lib/perennial; --purge would remove them.'
fi
rm -f /usr/local/sbin/perennial-uninstall
exit 0
