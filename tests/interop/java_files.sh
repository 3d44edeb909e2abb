# Kafka finds nothing wrong in our files, and goes on with them; and back.
. "$(dirname "$0")/common.sh"
need_peer
need kcat

cd "$KT_DIR"
for codec in none gzip snappy lz4 zstd; do
	seq 1 3000 | sed 's/.*/value & of '"$codec"'/' >"$codec.in"
	kcat -b "$KT_PLAIN" -P -t files -p 0 -z "$codec" -X acks=all \
	    -X enable.idempotence=true <"$codec.in"
	cat "$codec.in" >>files.in
done

same_records() {
	kcat -b "$KT_PLAIN" -C -t files -p 0 -o beginning -e -q >files.out
	cmp files.in files.out || fail "$1: other records"
	step "$1: all $(wc -l <files.in) records"
}
same_records "kbroker"

# dump FILE OPTION...: what DumpLogSegments says must hold no complaint.
dump() {
	"$PEER" dump-log --files "$@" >dump.out 2>dump.err ||
		fail "DumpLogSegments fails: $(tail -5 dump.err)"
	if grep -iE 'exception|corrupt|mismatch|invalid|isvalid: false|found' \
	    dump.out dump.err | grep -v 'payload: ' >complaints; then
		fail "DumpLogSegments complains about $1: $(head complaints)"
	fi
}
check_files() {
	local base
	for base in "$KT_DATA"/files-0/*.log; do
		base=${base%.log}
		dump "$base.log" --deep-iteration --print-data-log
		dump "$base.index" --index-sanity-check
		dump "$base.index" --verify-index-only
		dump "$base.timeindex" --index-sanity-check
		dump "$base.timeindex" --verify-index-only
	done
	for base in "$KT_DATA"/files-0/*.snapshot; do
		dump "$base"
	done
}

stop_broker "$KT_PID"
check_files
step "DumpLogSegments finds nothing wrong"
n=$(for f in "$KT_DATA"/files-0/*.log; do
	"$PEER" dump-log --files "$f" --deep-iteration --print-data-log 2>>dump.err
done | grep -c 'payload: value')
[ "$n" = "$(wc -l <files.in)" ] || fail "it shows $n records"

# Kafka on our folder.
"$PEER" broker "$KT_PROPERTIES" >kafka.log 2>&1 &
pid=$!
trap 'kill -9 $pid 2>/dev/null || true' EXIT
until_true 60 has_topic files
same_records "Kafka on kbroker's files"
grep -q 'Skipping recovery' kafka.log ||
	fail "Kafka did not take the clean shutdown marker"
kcat -b "$KT_PLAIN" -P -t files -p 0 -z zstd <none.in
cat none.in >>files.in
same_records "Kafka on kbroker's files, and more"
kcat -b "$KT_PLAIN" -P -t kafkas -p 0 <none.in
stop_broker "$pid"

# And back.
"$KT_BROKER" "$KT_PROPERTIES" >>"$KT_LOG" 2>&1 &
pid=$!
until_true 60 has_topic files
same_records "kbroker on Kafka's files"
kcat -b "$KT_PLAIN" -C -t kafkas -p 0 -o beginning -e -q >kafkas.out
cmp none.in kafkas.out || fail "a topic that Kafka made: other records"
kcat -b "$KT_PLAIN" -P -t files -p 0 -z lz4 <none.in
cat none.in >>files.in
same_records "kbroker on Kafka's files, and more"
stop_broker "$pid"
check_files
step "DumpLogSegments finds nothing wrong again"
