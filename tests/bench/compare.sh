#!/usr/bin/env bash
# The rows of rows.sh against kbroker and a real Kafka: compare.sh [ROW]...
#
# Both run at once, each with a ZooKeeper of its own, and are measured in
# turn, $KB_BENCH_PAIRS times after one run that warms up.  Kafka comes from
# the script $KB_SHARED/peer/peer, with its default heap.  A line a row; all
# runs go to compare.json.
here=$(dirname "${BASH_SOURCE[0]}")
. "$here/rows.sh"
# What was written is soon no burden for the page cache.
export KT_PROPS=${KT_PROPS-file.delete.delay.ms=1000
}
peer=${KB_SHARED:-$KB_SRCDIR/../shared}/peer/peer
pairs=${KB_BENCH_PAIRS:-3}

if [ ! -x "$peer" ]; then
	echo "compare.sh: no Kafka to compare with ($peer)"
	exit 0
fi
if [ -z "$KT_PLAIN" ]; then
	exec "$KB_BUILDDIR/tests/lib/with_cluster" bash "$0" "$@"
elif [ -z "$BENCH_OURS" ]; then
	BENCH_OURS=$(for v in PLAIN SSL CA PID PROPERTIES BROKER; do
		eval "echo KT_$v=\$KT_$v"
	done)
	export BENCH_OURS KT_PEER=$peer
	exec "$KB_BUILDDIR/tests/lib/with_cluster" bash "$0" "$@"
fi
adopt peer
eval "$BENCH_OURS"
KT_PEER='' adopt ours
declare -A b_first=([ours]=${b_pid[ours]} [peer]=${b_pid[peer]})
trap stop_started EXIT

out=${KB_BENCH_JSON:-compare.json}
: >"$out.new"

# One row's runs into lines "ours peer ratio" and the JSON file.
gather() {
	local r=$1 i
	case " $same_run " in
	*" $r "*) [ ${#ours[@]} -gt 0 ] && return ;;
	esac
	ours=() theirs=()
	if [ -n "$(field "$r" 5)" ]; then # Kafka compiles as it runs
		measure peer "$r" >/dev/null
		measure ours "$r" >/dev/null
	fi
	for ((i = 0; i < pairs; i++)); do
		last=
		measure_to ours "$r" && ours+=("$last")
		measure_to peer "$r" && theirs+=("$last")
	done
}
# Not in a subshell: a row may restart the broker.
measure_to() {
	measure "$1" "$2" >"$KT_DIR/measured" || return
	last=$(cat "$KT_DIR/measured")
}
report() {
	local r=$1 fig goal i
	fig=$(field "$r" 2) goal=$(field "$r" 3)
	for i in "${!ours[@]}"; do
		printf '{"row": "%s", "ours": %s, "peer": %s}\n' "$r" \
		    "${ours[i]}" "${theirs[i]:-null}" >>"$out.new"
		echo "$(figure "$fig" "${ours[i]}")" \
		    "$(figure "$fig" "${theirs[i]}")"
	done | awk -v r="$r" -v fig="$fig" -v goal="$goal" '
	function sort(v, n,  i, j, t) {
		for (i = 2; i <= n; i++)
			for (j = i; j > 1 && v[j] < v[j - 1]; j--) {
				t = v[j]; v[j] = v[j - 1]; v[j - 1] = t
			}
	}
	$2 + 0 > 0 { n++; o[n] = $1 + 0; p[n] = $2 + 0; q[n] = $1 / $2 }
	END {
		if (n == 0) {
			printf "%-16s no figures\n", r
			exit
		}
		sort(o, n); sort(p, n); sort(q, n)
		m = int((n + 1) / 2)
		printf "%-16s %10.4g / %10.4g %-14s = %6.3f (%.3f .. %.3f)  goal %s\n",
		    r, o[m], p[m], fig, q[m], q[1], q[n], goal
	}'
}

[ $# -gt 0 ] || set -- $(names)
for r in "$@"; do
	gather "$r"
	report "$r"
done
mv "$out.new" "$out"
