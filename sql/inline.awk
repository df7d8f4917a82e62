# inline.awk - a psql script as plain SQL: what \ir includes stands in its place, other commands of
# psql and the transaction around it all are left out, and so is upgrade.sql.
#   awk -f inline.awk sql/install.sql
function show(path, folder, line, words, is_open) {
	folder = path
	sub(/[^\/]*$/, "", folder)
	while ((is_open = (getline line < path)) > 0) {
		split(line, words, " ")
		if (words[1] == "\\ir" && words[2] != "upgrade.sql")
			show(folder words[2])
		else if (line !~ /^\\/ && line !~ /^(begin|commit);$/)
			print line
	}
	if (is_open < 0) {
		print "inline.awk: cannot read " path >"/dev/stderr"
		exit 1
	}
	close(path)
}
BEGIN {
	for (i = 1; i < ARGC; i++)
		show(ARGV[i])
}
