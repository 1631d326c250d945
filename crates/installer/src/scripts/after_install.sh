# Whether it was not there before is said by who runs this.
first=${first:-yes}
# A client that was installed by the script becomes the package's, with its settings and its identity.
if [ -x /usr/local/sbin/perennial-uninstall ]; then
  /usr/local/sbin/perennial-uninstall >/dev/null || true
  first=yes
fi
# Settings of one's own stay as they are.
if [ ! -e /etc/perennial/client.toml ]; then
  mkdir -p /etc/perennial
  cp /usr/lib/perennial/client.toml /etc/perennial/client.toml
fi
# The client joins with the token when it starts, as soon as it reaches the server, and forgets it.
if [ -e /usr/lib/perennial/token ]; then
  (umask 077 && mkdir -p /var/lib/perennial/client)
  if [ -e /var/lib/perennial/client/client.toml ]; then
    rm -f /usr/lib/perennial/token
  else
    mv -f /usr/lib/perennial/token /var/lib/perennial/client/token
  fi
fi
if command -v systemctl >/dev/null; then
  # Whether it is to run later on is up to whoever has stopped it.
  if [ "$first" = yes ]; then systemctl enable --quiet perennial-client.service || true; fi
  if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
    if [ "$first" != yes ]; then
      systemctl try-restart perennial-client.service || true
    # Debian's own way lets administrators forbid that services start.
    elif command -v deb-systemd-invoke >/dev/null; then
      deb-systemd-invoke restart perennial-client.service >/dev/null || true
    else
      systemctl restart perennial-client.service || true
    fi
  fi
fi
