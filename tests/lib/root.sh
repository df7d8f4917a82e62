# shellcheck shell=sh
# root.sh - a minimal Debian root in a temporary folder; to be sourced, as root.
# Takes its packages from wherever this machine takes its own.
#   root_make PACKAGE,PACKAGE    makes it in $root, and has it removed at the end
#   root_make -s SUITE PACKAGE,PACKAGE    of another suite of Debian than this machine's
#   in_root COMMAND...           with nothing of this machine's environment
#   root_sum FILE LEAST          the sum of the "N passed, N failed" that stand in it, a line each; of
#                                fewer than LEAST lines one is missing, which is a failure
#   keep=yes                     it stays

root=
keep=no
authorities=
registry=
codename=$(sed -n "s/^VERSION_CODENAME=//p" /etc/os-release)

# At the end by itself; before, where a script wants another.
root_remove() {
	for mount in dev/shm dev/pts proc; do
		if mountpoint -q "$root/$mount"; then
			umount "$root/$mount" || umount -l "$root/$mount"
		fi
	done
	if [ "$keep" = yes ]; then
		echo "kept: $root"
	elif grep -q " $root/" /proc/mounts; then
		echo "something is still mounted below $root, it stays" >&2
	else
		rm -rf --one-file-system "$root"
	fi
	root=
}

root_end() {
	status=$?
	trap - EXIT
	trap '' INT TERM HUP
	[ -z "$root" ] || root_remove
	exit "$status"
}

# The machine's own Debian sources: "URI suite component" a line.
root_sources() {
	# shellcheck disable=SC2016 # apt's variables, not ours
	apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT) $(ORIGIN)' \
		'Created-By: Packages' | sort -u | sed -n 's/ Debian$//p' | grep " ${codename}[^ ]* "
}

in_root() {
	chroot "$root" /usr/bin/env -i \
		HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM="${TERM:-dumb}" \
		${authorities:+"NODE_EXTRA_CA_CERTS=$authorities"} \
		${registry:+"npm_config_registry=$registry"} "$@"
}

root_make() {
	suite=$codename
	if [ "$1" = -s ]; then
		suite=$2
		shift 2
	fi
	[ "$(id -u)" -eq 0 ] || die "only root may make a root"
	command -v debootstrap >/dev/null ||
		die "debootstrap is missing: apt-get install debootstrap"
	root=$(mktemp -d "${TMPDIR:-/tmp}/orderbell-root.XXXXXX")
	chmod 755 "$root"
	trap root_end EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP

	echo "=== a minimal $suite in $root"
	mirror=$(root_sources | awk -v suite="$codename" '$2 == suite { print $1; exit }')
	[ -n "$mirror" ] || die "apt knows no source of $codename"
	debootstrap --variant=minbase --include="$1" "$suite" "$root" "$mirror" \
		>"$root.log" 2>&1 || {
		tail -n 20 "$root.log" >&2
		die "debootstrap failed"
	}
	rm -f "$root.log"

	if [ "$suite" = "$codename" ]; then
		root_sources | sed 's/^/deb /'
	else
		echo "deb $mirror $suite main"
	fi >"$root/etc/apt/sources.list"
	apt-config dump Acquire >"$root/etc/apt/apt.conf.d/00machine"
	cp /etc/resolv.conf /etc/hosts "$root/etc/"
	mount -t proc proc "$root/proc"
	mkdir -p "$root/dev/pts" "$root/dev/shm"
	mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
	mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
}

root_sum() {
	awk -v least="$2" '
		{
			for (i = 2; i <= NF; i++) {
				if ($i ~ /^passed/) passed += $(i - 1)
				if ($i ~ /^failed/) failed += $(i - 1)
				if ($i ~ /^skipped/) skipped += $(i - 1)
			}
		}
		END {
			if (NR < least)
				failed++
			printf "\n%d passed, %d failed, %d skipped\n", passed, failed, skipped
			exit failed > 0
		}' "$1"
}
