#!/bin/sh
# Fetches the installer of the Perennial backup client from its server and runs it. It takes the installer's options.
set -eu

fetch_and_run() {
  fail() {
    printf 'perennial: %s\n' "$*" >&2
    exit 1
  }
  [ "$(uname -s)" = Linux ] || fail 'this is for Linux'
  as_root=
  if [ "$(id -u)" != 0 ]; then
    for as_root in sudo doas ''; do
      [ -z "$as_root" ] || ! command -v "$as_root" >/dev/null 2>&1 || break
    done
    [ -n "$as_root" ] || fail 'run it as root'
  fi
  dir=$(mktemp -d)
  trap 'rm -rf "$dir"' EXIT
  status=$(curl -sS @CURL_OPTIONS@ -o "$dir/installer" -w '%{http_code}' @ADDRESS@"$(uname -m)") || fail 'the installer can not be fetched, see above'
  if [ "$status" != 200 ]; then fail "the server gives no installer: $(head -c 500 "$dir/installer")"; fi
  $as_root sh "$dir/installer" "$@"
}

fetch_and_run "$@"
