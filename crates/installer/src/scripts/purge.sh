# A client that was installed by the script since goes on with them.
if [ -x /usr/local/sbin/perennial-uninstall ]; then exit 0; fi
rm -rf /var/lib/perennial/client
rm -f /etc/perennial/client.toml
rmdir --ignore-fail-on-non-empty /var/lib/perennial /etc/perennial 2>/dev/null || true
