#!/bin/sh
# The collector of ./bootstrap check must never make a failure look like a pass.

tally=${srcdir:-.}/tests/lib/tally
count=0

# counts WANTED STATUS NAME PRINTED - a suite that printed that and ended with that status.
counts() {
	# shellcheck disable=SC2059 # with its escapes
	got=$(printf "$4" | "$tally" -v status="$2")
	count=$((count + 1))
	if [ "$got" = "$1" ]; then
		echo "ok $count - $3"
	else
		echo "not ok $count - $3"
		echo "# wanted $1, got $got"
	fi
}

counts '1 1 1' 1 'TAP is counted by its lines' \
	'ok 1\nnot ok 2\nok 3 # SKIP no browser\n'
counts '2 3 0' 0 'tests that were planned and not seen have failed' \
	'1..2\nok 1\n1..3\nok 1\n'
counts '1 0 0' 0 'subtests are summed by their parent' \
	'ok 1\n    not ok 1 - a subtest\n'
counts '1 1 0' 0 'a bail-out is a failure' \
	'ok 1\nBail out! no database\n'
counts '1 1 0' 139 'a crash after good tests is a failure' \
	'ok 1\n'
counts '0 1 0' 0 'a suite that ran nothing has failed' \
	'hello\n'
counts '5 3 1' 2 'automake: errors are failures' \
	'# TOTAL: 9\n# PASS:  5\n# SKIP:  1\n# XFAIL: 0\n# FAIL:  2\n# XPASS: 0\n# ERROR: 1\n'
counts '6 3 3' 1 'unittest: the rest has passed' \
	'Ran 12 tests in 3.4s\n\nFAILED (failures=1, errors=2, skipped=3)\n'
counts '5 0 0' 0 'several runners in one log are added' \
	'Ran 4 tests in 0.1s\n\nOK\nok 1\n'
counts '7 2 1' 1 'a closing line goes before the rest' \
	'ok 1\nnot ok 2\n7 passed, 2 failed, 1 skipped\n'
echo '1..10'
