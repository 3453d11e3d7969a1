#!/bin/sh
# Installs nanotdb, nanocli and drip, and their systemd units.
#
#   scripts/install.sh [--prefix DIR] [--from DIR|TARBALL] [--only nanotdb|drip] [--no-start]
#   scripts/install.sh --uninstall [--purge] [--prefix DIR] [--only nanotdb|drip]
#
#   --prefix DIR    programs go to DIR/bin; also PREFIX=DIR in the environment [default: /usr/local]
#   --from WHAT     directory or tarball with the programs [default: target/release, built when a program is missing]
#   --only NAME     nanotdb (with nanocli), or drip; without it both
#   --no-start      neither enable nor start (nor restart) the services
#   --uninstall     remove programs and units; configuration and data stay, and it is said where
#   --purge         with --uninstall: remove configuration, data and the user nanotdb as well. There is no way back
#   --help          this text
#
# Run again it updates: files of /etc that are there are left as they are. It makes:
#
#   PREFIX/bin/{nanotdb,nanocli,drip}
#   /etc/nanotdb/engine.toml, /etc/drip.toml
#   /etc/systemd/system/{nanotdb,drip}.service    another directory with UNITDIR=DIR
#   /var/lib/nanotdb                              the data, of the user nanotdb, which is made
#
# With DESTDIR=DIR in the environment everything goes below DIR, for those who make packages or images: no user is made
# and no service is touched, and no root is needed.
set -eu
umask 022

here=$(cd "$(dirname "$0")" && pwd)
repository=$(dirname "$here")
prefix=${PREFIX:-/usr/local}
unitdir=${UNITDIR:-/etc/systemd/system}
destdir=${DESTDIR:-}
from=
source= # the tarball, when there is one
only=
start=yes
action=install
purge=no
unpacked=

usage() { sed -n '2,/^set -eu/{/^set -eu/d;s/^# \{0,1\}//;p;}' "$0"; }
say() { printf '%s\n' "$*"; }
die() {
  printf 'install.sh: %s\n' "$*" >&2
  exit 1
}
bad_argument() {
  printf 'install.sh: %s; see --help\n' "$*" >&2
  exit 2
}

while [ $# -gt 0 ]; do
  case $1 in
    --prefix | --from | --only)
      [ -n "${2:-}" ] || bad_argument "$1 needs a value"
      case $1 in
        --prefix) prefix=$2 ;;
        --from) from=$2 ;;
        --only) only=$2 ;;
      esac
      shift
      ;;
    --no-start) start=no ;;
    --uninstall) action=uninstall ;;
    --purge) purge=yes ;;
    -h | --help) usage && exit 0 ;;
    *) bad_argument "unknown argument '$1'" ;;
  esac
  shift
done
case $only in '' | nanotdb | drip) ;; *) bad_argument "--only $only: accepted are nanotdb and drip" ;; esac
case $prefix in /*) ;; *) bad_argument "--prefix $prefix: an absolute path is needed" ;; esac
case $prefix in *[!A-Za-z0-9_./+-]*) bad_argument "--prefix $prefix: letters, digits and _./+- are accepted" ;; esac
case $destdir in '' | /*) ;; *) bad_argument "DESTDIR=$destdir: an absolute path is needed" ;; esac
[ "$purge" = no ] || [ "$action" = uninstall ] || bad_argument "--purge goes with --uninstall"
prefix=${prefix%/}
destdir=${destdir%/}
services=${only:-nanotdb drip}

trap '[ -z "$unpacked" ] || rm -rf "$unpacked"' EXIT
trap 'exit 130' INT TERM

# Whether this machine's users and services are touched.
is_live() { [ -z "$destdir" ]; }
# Whether systemd runs here: not in a chroot or a container.
has_systemd() { is_live && [ -d /run/systemd/system ]; }
programs_of() { case $1 in nanotdb) echo nanotdb nanocli ;; drip) echo drip ;; esac }
config_of() { case $1 in nanotdb) echo /etc/nanotdb/engine.toml ;; drip) echo /etc/drip.toml ;; esac }

if is_live && [ "$(id -u)" -ne 0 ]; then
  die "only root can do this: run it with sudo, or set DESTDIR to install below another directory"
fi

# Sets `from` to the directory with the programs.
find_programs() {
  if [ -z "$from" ]; then
    from=$repository/target/release
    build_missing
  elif [ -f "$from" ]; then
    source=$from
    unpacked=$(mktemp -d)
    tar -xf "$from" -C "$unpacked" || die "$from: tar cannot unpack it"
    first=$(programs_of "${services%% *}")
    first=$(find "$unpacked" -type f -name "${first%% *}" | head -n 1)
    [ -n "$first" ] || die "$from: no program ${services%% *} in it"
    from=$(dirname "$first")
  fi
  [ -d "$from" ] || die "$from: no such file or directory"
  for service in $services; do
    for program in $(programs_of "$service"); do
      [ -f "$from/$program" ] || die "$from/$program is missing; with --only one of nanotdb and drip is installed"
    done
  done
}

build_missing() {
  missing=
  for service in $services; do
    for program in $(programs_of "$service"); do
      [ -x "$from/$program" ] || missing="$missing $program"
    done
  done
  [ -n "$missing" ] || return 0
  command -v cargo >/dev/null 2>&1 ||
    die "$from has no$missing, and there is no cargo to build it; build it first, or use --from"
  say "building$missing, which takes some minutes"
  set --
  case $missing in *nanotdb*) set -- "$@" -p nanotdb-server ;; esac
  case $missing in *nanocli*) set -- "$@" -p nanotdb-cli ;; esac
  case $missing in *drip*) set -- "$@" -p drip ;; esac
  (cd "$repository" && CARGO_TARGET_DIR=$repository/target cargo build --release --locked "$@") ||
    die "the build failed; the lines above say why"
}

# put MODE FROM TO: by way of another name, so that a program that runs is replaced and never half there.
put() {
  mkdir -p "$(dirname "$destdir$3")"
  cp "$2" "$destdir$3.new"
  chmod "$1" "$destdir$3.new"
  mv -f "$destdir$3.new" "$destdir$3"
  say "  $destdir$3"
}

make_user() {
  is_live || return 0
  id nanotdb >/dev/null 2>&1 && return 0
  if command -v useradd >/dev/null 2>&1; then
    useradd --system --user-group --home-dir /var/lib/nanotdb --no-create-home --shell /usr/sbin/nologin nanotdb
  elif command -v addgroup >/dev/null 2>&1 && command -v adduser >/dev/null 2>&1; then
    addgroup -S nanotdb && adduser -S -D -H -h /var/lib/nanotdb -s /sbin/nologin -G nanotdb nanotdb # busybox
  else
    die "neither useradd nor adduser is here; make a system user nanotdb with a group of its own, and run this again"
  fi || die "the user nanotdb could not be made"
  say "  user nanotdb"
}

make_data_directory() {
  data=$destdir/var/lib/nanotdb
  mkdir -p "$data"
  chmod 750 "$data"
  if is_live; then chown nanotdb:nanotdb "$data"; fi
  # Relative, so that it also holds below DESTDIR.
  if [ ! -e "$data/engine.toml" ] && [ ! -L "$data/engine.toml" ]; then
    ln -s ../../../etc/nanotdb/engine.toml "$data/engine.toml"
  fi
}

install_service() {
  for program in $(programs_of "$1"); do put 755 "$from/$program" "$prefix/bin/$program"; done
  config=$(config_of "$1")
  if [ -e "$destdir$config" ]; then
    say "  $destdir$config is there already, and is left as it is"
  else
    put 644 "$here/package/etc/${config##*/}" "$config"
  fi
  if [ "$1" = nanotdb ]; then
    make_user
    make_data_directory
  fi
  mkdir -p "$destdir$unitdir"
  unit=$destdir$unitdir/$1.service
  # There are no manual pages with this.
  sed -e "s|^ExecStart=/usr/bin/|ExecStart=$prefix/bin/|" -e '/^Documentation=man:/d' \
    "$here/package/systemd/$1.service" >"$unit.new"
  chmod 644 "$unit.new"
  mv -f "$unit.new" "$unit"
  say "  $unit"
}

install_all() {
  find_programs
  say "installing from ${source:-$from}"
  for service in $services; do install_service "$service"; done
  if ! is_live; then
    say "done, below $destdir; on the machine itself: make the system user nanotdb, which owns /var/lib/nanotdb"
    return 0
  fi
  if ! has_systemd; then
    say "done. systemd does not run here: docs/RUN_AS_A_SERVICE.md says how other systems start the programs"
    return 0
  fi
  systemctl daemon-reload
  if [ "$start" = no ]; then
    say "done. Start with: systemctl enable --now $services"
    return 0
  fi
  for service in $services; do
    systemctl enable --quiet "$service"
    systemctl restart "$service" || die "$service does not start; see: journalctl -u $service"
  done
  say "done; running: $services. Look at it with: systemctl status $services"
}

remove() {
  if [ -e "$destdir$1" ] || [ -L "$destdir$1" ]; then
    # A disk mounted there is emptied; what it is mounted at stays.
    rm -rf "$destdir${1:?}" || mountpoint -q "$destdir$1" || die "$destdir$1 could not be removed"
    say "  $destdir$1"
  fi
}

# Processes that are still there of the programs of a service, or of the user nanotdb: a purge would take away the
# data below them.
running() {
  user=$(id -u nanotdb 2>/dev/null || echo none)
  for process in /proc/[0-9]*; do
    program=$(readlink "$process/exe" 2>/dev/null) || program=
    owner=$(stat -c %u "$process" 2>/dev/null) || owner=
    for of in $(programs_of "$1"); do
      if [ "$program" = "$prefix/bin/$of" ] || { [ "$1" = nanotdb ] && [ "$owner" = "$user" ]; }; then
        echo "${process#/proc/}"
        break
      fi
    done
  done
}

# Before anything is removed: without systemd nobody stops what runs.
refuse_running() {
  for service in $services; do
    if has_systemd; then systemctl disable --quiet --now "$service" 2>/dev/null || true; fi
    pids=$(running "$service" | tr '\n' ' ')
    [ -z "$pids" ] || die "$service still runs (process ${pids% }); stop it, then run this again. Nothing was removed"
  done
}

uninstall_service() {
  if has_systemd; then systemctl disable --quiet --now "$1" 2>/dev/null || true; fi
  for program in $(programs_of "$1"); do remove "$prefix/bin/$program"; done
  remove "$unitdir/$1.service"
  [ "$purge" = yes ] || return 0
  remove "$(config_of "$1")"
  remove "/var/lib/$1"
  if [ "$1" = drip ]; then
    remove /var/lib/private/drip
    return 0
  fi
  rmdir "$destdir/etc/nanotdb" 2>/dev/null || true
  is_live || return 0
  id nanotdb >/dev/null 2>&1 || return 0
  if command -v userdel >/dev/null 2>&1; then userdel nanotdb; else deluser nanotdb; fi ||
    die "the user nanotdb could not be removed"
  say "  user nanotdb"
}

uninstall_all() {
  if [ "$purge" = yes ] && is_live; then refuse_running; fi
  say "removing"
  for service in $services; do uninstall_service "$service"; done
  if has_systemd; then systemctl daemon-reload; fi
  [ "$purge" = no ] || return 0
  kept=
  for service in $services; do
    for path in "$(config_of "$service")" "/var/lib/$service" "/var/lib/private/$service"; do
      [ ! -e "$destdir$path" ] || kept="$kept $destdir$path"
    done
  done
  [ -z "$kept" ] || say "kept:$kept (--uninstall --purge removes them)"
}

"${action}_all"
