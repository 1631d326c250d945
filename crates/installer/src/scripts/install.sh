#!/bin/sh
# Installs the Perennial backup client @VERSION@, which joins the server at
# @SERVER@ @WHOM@.
# It holds a token that is good until @UNTIL@: whoever has this file can join with it.
set -eu
umask 022

text_bytes=@TEXT_BYTES@
# A line for each processor: its name, where its program lies behind this text, its length, packed, and the SHA-256 of what is packed.
programs=@PROGRAMS@
server=@SERVER_WORD@
token=@TOKEN@

file=$0
program=/usr/local/bin/perennial
uninstaller=/usr/local/sbin/perennial-uninstall
settings=/etc/perennial/client.toml
state=/var/lib/perennial/client
unit=/etc/systemd/system/perennial-client.service

name=
sources=
names=
replace=
later=no
start=yes
is_new=yes

say() { printf '%s\n' "$*"; }
fail() {
  printf 'perennial: %s\n' "$*" >&2
  exit 1
}
has() { command -v "$1" >/dev/null 2>&1; }

usage() {
  cat <<'END'
Installs the Perennial backup client on this machine and lets it join its server.

  sh FILE [OPTIONS]

  --name NAME     join under this name; without it under the one the installer was made for, or the machine's own
  --source PATH   back this up; may be given several times. Without it what the installer was made for
  --replace       join anew, in place of the client that this machine is already
  --later         don't join now: the client does so by itself as soon as it runs and reaches the server
  --no-start      don't start the client, now or with the system
  --uninstall     remove the client; --uninstall --purge removes its settings and its identity too
END
}

# A text as a string of TOML.
quoted() {
  printf '"'
  printf '%s' "$1" | sed 's/[\\"]/\\&/g'
  printf '"'
}

uninstall() {
  [ -x "$uninstaller" ] || fail "there is no $uninstaller: the client was not installed by this installer"
  exec "$uninstaller" "$@"
}

options() {
  while [ $# -gt 0 ]; do
    case $1 in
      --name) name=${2:?--name needs a name}; shift ;;
      --source)
        case ${2:?--source needs a path} in /*) ;; *) fail "a source is an absolute path: $2" ;; esac
        called=${2%/}
        called=/${called##*/}/
        case $names in *"$called"*) fail "two sources are called $called: name them in $settings" ;; esac
        names=$names$called
        sources="$sources    $(quoted "$2"),
"
        shift
        ;;
      --replace) replace=--replace ;;
      --later) later=yes ;;
      --no-start) start=no ;;
      --uninstall)
        shift
        uninstall "$@"
        ;;
      --help | -h)
        usage
        exit 0
        ;;
      *) fail "there is no option $1; see --help" ;;
    esac
    shift
  done
  if [ "$later" = yes ] && [ -n "$name$replace" ]; then fail '--later goes neither with --name nor with --replace'; fi
}

check() {
  [ "$(uname -s)" = Linux ] || fail 'this is for Linux'
  [ "$(id -u)" = 0 ] || fail "run it as root: sudo sh $file"
  if [ ! -r "$file" ] || [ "$(wc -c <"$file")" -le "$text_bytes" ]; then fail 'run it from its file, which must be whole: sh FILE'; fi
  [ ! -e /usr/bin/perennial ] || fail '/usr/bin/perennial belongs to a package: install a package from the server in its place, or remove it first'
  for tool in gzip sha256sum tail head; do
    has "$tool" || fail "$tool is needed and missing"
  done
}

# Puts the program that is for this processor in place, if it is whole and runs here.
put_program() {
  machine=$(uname -m)
  found=$(say "$programs" | while read -r of offset length sum; do
    [ "$of" != "$machine" ] || say "$offset $length $sum"
  done)
  [ -n "$found" ] || fail "this installer has no program for $machine processors"
  # shellcheck disable=SC2086
  set -- $found
  mkdir -p "${program%/*}" "${uninstaller%/*}"
  # Beside the one that is there, so that it is replaced at once, and gets the security context of its directory.
  new=$program.new
  trap 'rm -f "$new"' EXIT
  tail -c +"$((text_bytes + $1 + 1))" "$file" | head -c "$2" | gzip -dc >"$new" || fail 'the program can not be unpacked: is this file whole, and is there room?'
  [ "$(sha256sum <"$new" | cut -d ' ' -f 1)" = "$3" ] || fail 'this file is damaged: fetch it again'
  chmod 755 "$new"
  version=$("$new" --version) || fail 'the program does not run on this machine, see above'
  if "$program" server --help >/dev/null 2>&1 && ! "$new" server --help >/dev/null 2>&1; then
    say "$program stays as it is: it is a server too, which the one in this installer is not"
    return
  fi
  mv -f "$new" "$program"
  trap - EXIT
  say "Installed $version as $program"
}

put_uninstaller() {
  cat >"$uninstaller" <<'END_OF_UNINSTALLER'
@UNINSTALLER@
END_OF_UNINSTALLER
  chmod 755 "$uninstaller"
}

put_settings() {
  if [ -e "$settings" ]; then
    say "Settings stay as they are in $settings${sources:+, and --source is of no use}"
    return
  fi
  mkdir -p "${settings%/*}"
  if [ -n "$sources" ]; then
    printf 'sources = [\n%s]\n' "$sources" >"$settings"
  else
    cat >"$settings" <<'END_OF_SETTINGS'
@SETTINGS@
END_OF_SETTINGS
  fi
  say "What is backed up is said in $settings"
}

join() {
  if [ -e "$state/client.toml" ] && [ -z "$replace" ]; then
    say "This machine is a client already, and stays the one that it is"
    return
  fi
  if [ "$later" = yes ]; then
    (umask 077 && mkdir -p "$state")
    (umask 077 && say "$token" >"$state/token")
    return
  fi
  # shellcheck disable=SC2086
  say "$token" | "$program" enroll $replace ${name:+--name "$name"} - ||
    fail "it did not join the server at $server, see above. Run this again, or with --later if only the server can not be reached now"
}

put_unit() {
  has systemctl || return 0
  [ ! -e "$unit" ] || is_new=no
  cat >"$unit" <<'END_OF_UNIT'
@UNIT@
END_OF_UNIT
  [ ! -d /run/systemd/system ] || systemctl daemon-reload
}

run() {
  if ! has systemctl; then
    say "Start it with: $program client"
  elif [ "$start" = no ]; then
    say 'Start it with: systemctl enable --now perennial-client'
  elif [ "$is_new" = no ]; then
    # Whether it runs is up to whoever has stopped it.
    [ ! -d /run/systemd/system ] || systemctl try-restart perennial-client.service
    say 'The client goes on with the new program, if it ran'
  else
    systemctl enable --quiet perennial-client.service
    if [ ! -d /run/systemd/system ]; then
      say 'The client starts with the system'
      return
    fi
    systemctl restart perennial-client.service || fail 'the client does not start: see journalctl -u perennial-client'
    say 'The client runs, and backs up when the server asks for it: see systemctl status perennial-client'
  fi
}

main() {
  options "$@"
  check
  put_program
  put_uninstaller
  put_settings
  join
  put_unit
  run
  say "To remove it: $uninstaller"
  # What follows is no script.
  exit 0
}

main "$@"
