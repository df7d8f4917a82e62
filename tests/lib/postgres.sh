# postgres.sh - a private PostgreSQL for tests.  To be sourced.
#
#   pg_up [-t] DIR [LINE...]   make a cluster in DIR and start it; trust authentication, superuser
#                              postgres, database postgres.  It listens on a Unix socket in DIR, and
#                              with -t on a free port of 127.0.0.1 as well.  Each LINE goes to the end
#                              of postgresql.conf.  A cluster that is there already is only started.
#                              Exports PGHOST PGPORT PGUSER PGDATABASE PATH; sets PG_PID, PG_BIN.
#   pg_down DIR [MODE]         stop what runs in DIR (fast, or MODE as pg_ctl knows it); DIR stays.
#
# Both give a status that is not 0 when it did not work, and then say why on stderr.  DIR must be
# short enough for a socket's name (80 characters).  As root the server runs as PG_USER (postgres
# where that user exists, else nobody), and DIR is given to it; clients need no other user.
#
# shellcheck shell=sh

pg_choose_user() {
	if [ -z "${PG_USER:-}" ]; then
		PG_USER=nobody
		! id postgres >/dev/null 2>&1 || PG_USER=postgres
	fi
}

# Where initdb and postgres are: beside pg_config, or of the newest version Debian has here.
pg_find_bin() {
	pg_bin=$(pg_config --bindir 2>/dev/null) || pg_bin=
	if [ ! -x "$pg_bin/postgres" ]; then
		pg_bin=$(find /usr/lib/postgresql/*/bin -name postgres 2>/dev/null | sort -t/ -k5n | tail -n 1)
		pg_bin=${pg_bin%/postgres}
	fi
	[ -x "$pg_bin/postgres" ] || {
		echo "postgres.sh: PostgreSQL is not installed" >&2
		return 1
	}
	echo "$pg_bin"
}

# pg_as_server COMMAND... - the server refuses root.
pg_as_server() {
	if [ "$(id -u)" -ne 0 ]; then
		"$@"
	else
		pg_choose_user
		(cd / && setpriv --reuid "$PG_USER" --regid "$(id -g "$PG_USER")" --clear-groups "$@")
	fi
}

# A port below the range the kernel gives to clients; whether it is free shows when it is bound.
pg_some_port() {
	echo $((12000 + $(od -An -N2 -tu2 /dev/urandom) % 20000))
}

pg_init() {
	pg_dir=$1
	shift
	mkdir -p "$pg_dir" || return 1
	if [ "$(id -u)" -eq 0 ]; then
		pg_choose_user
		chown "$PG_USER" "$pg_dir" || return 1
	fi
	# Without --no-sync the making alone would take longer than most tests.
	pg_as_server "$PG_BIN/initdb" -D "$pg_dir/data" -U postgres -A trust -E UTF8 \
		--locale=C.UTF-8 --no-sync >"$pg_dir/initdb.log" 2>&1 || {
		cat "$pg_dir/initdb.log" >&2
		return 1
	}
	{
		echo "unix_socket_directories = '$pg_dir'"
		for pg_line; do
			echo "$pg_line"
		done
	} >>"$pg_dir/data/postgresql.conf"
}

# pg_start DIR ADDRESS - tries another port when that one was taken.
pg_start() {
	for pg_try in 1 2 3 4 5; do
		PGPORT=$(pg_some_port)
		if pg_as_server "$PG_BIN/pg_ctl" -D "$1/data" -l "$1/postgres.log" -s -w -t 60 \
			-o "-p $PGPORT -c listen_addresses='$2'" start 2>>"$1/pg_ctl.log"; then
			return 0
		fi
		tail -n 20 "$1/postgres.log" | grep -q 'Address already in use' || break
	done
	echo "postgres.sh: no server in $1 after $pg_try tries" >&2
	tail -n 20 "$1/pg_ctl.log" "$1/postgres.log" >&2
	return 1
}

pg_up() {
	pg_address=
	if [ "$1" = -t ]; then
		pg_address=127.0.0.1
		shift
	fi
	PG_BIN=$(pg_find_bin) || return 1
	if [ ! -e "$1/data/PG_VERSION" ]; then
		pg_init "$@" || return 1
	fi
	pg_start "$1" "$pg_address" || return 1
	PG_PID=$(head -n 1 "$1/data/postmaster.pid")
	PGHOST=$1
	PGUSER=postgres
	PGDATABASE=postgres
	case :$PATH: in
	*:$PG_BIN:*) ;;
	*) PATH=$PATH:$PG_BIN ;;
	esac
	export PGHOST PGPORT PGUSER PGDATABASE PATH PG_PID
}

pg_down() {
	[ -e "$1/data/postmaster.pid" ] || return 0
	PG_BIN=$(pg_find_bin) || return 1
	pg_as_server "$PG_BIN/pg_ctl" -D "$1/data" -s -w -m "${2:-fast}" stop
}
