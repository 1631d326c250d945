if command -v systemctl >/dev/null; then
  if [ -d /run/systemd/system ]; then systemctl stop perennial-client.service || true; fi
  systemctl disable --quiet perennial-client.service || true
fi
