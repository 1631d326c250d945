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
  systemctl enable --quiet perennial-client.service || true
  if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
    # Debian's own way lets administrators forbid that services start.
    if command -v deb-systemd-invoke >/dev/null; then
      deb-systemd-invoke restart perennial-client.service >/dev/null || true
    else
      systemctl restart perennial-client.service || true
    fi
  fi
fi
