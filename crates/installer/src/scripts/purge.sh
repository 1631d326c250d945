rm -rf /var/lib/perennial/client
rm -f /etc/perennial/client.toml
rmdir --ignore-fail-on-non-empty /var/lib/perennial /etc/perennial 2>/dev/null || true
