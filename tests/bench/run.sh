#!/usr/bin/env bash
# The rows of rows.sh against kbroker alone: run.sh [ROW]...
#
# A line a row; the whole of what load said goes to bench.json.
here=$(dirname "${BASH_SOURCE[0]}")
. "$here/rows.sh"
# What was written is soon no burden for the page cache.
export KT_PROPS=${KT_PROPS-file.delete.delay.ms=1000
}

if [ -z "$KT_PLAIN" ]; then
	exec "$KB_BUILDDIR/tests/lib/with_cluster" bash "$0" "$@"
fi
adopt ours
declare -A b_first=([ours]=$KT_PID)
trap stop_started EXIT

[ $# -gt 0 ] || set -- $(names)
out=${KB_BENCH_JSON:-bench.json}
: >"$out.new"
for r in "$@"; do
	case " $same_run $json" in
	*" $r "*"{"*) ;;
	*) # not in a subshell: a row may restart the broker
		measure ours "$r" >"$KT_DIR/measured"
		json=$(cat "$KT_DIR/measured")
		;;
	esac
	fig=$(field "$r" 2)
	printf '%-16s %12s %s\n' "$r" "$(figure "$fig" "$json")" "$fig"
	printf '{"row": "%s", "ours": %s}\n' "$r" "${json:-null}" >>"$out.new"
done
mv "$out.new" "$out"
