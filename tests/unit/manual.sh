#!/bin/sh
# A manual page tells of each setting what the program's own --sample-config tells.

count=0

# tells PAGE SENTENCE NAME - whether the page's text has the sentence, however it is wrapped.
tells() {
	count=$((count + 1))
	case "$(tr -s '\n ' '  ' <"$1")" in
	*"$2"*) echo "ok $count - $3" ;;
	*) printf 'not ok %d - %s\n# wanted: %s\n' "$count" "$3" "$2" ;;
	esac
}

# compare PROGRAM - a setting is its help in a comment, its bounds in another, and `#key = default`.
compare() {
	page=${srcdir:-.}/$1.8
	"./$1" --sample-config >"$samples" || exit 1
	while IFS= read -r line; do
		case $line in
		'# '*) [ -n "$help" ] || help=${line#\# } ;;
		'#'*' = '*)
			key=${line#\#}
			key=${key%% = *}
			tells "$page" ".It Cm $key No = " "$1.8 has $key"
			tells "$page" "$help" "$1.8 tells what $key is"
			;;
		'') help= ;;
		esac
	done <"$samples"
}

samples=$(mktemp) || exit 1
trap 'rm -f "$samples"' EXIT
compare fcgi-order/fcgi-order
compare notifier/orderbell-notifier
echo "1..$count"
