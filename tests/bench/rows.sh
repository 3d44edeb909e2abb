# What is measured: sourced by run.sh and compare.sh.
#
# Each row: name | figure | ours / Kafka wanted | listener | load's arguments.
# A figure is a name of load's JSON line.  Rows without arguments are
# functions of this file.
rows='
memory_idle      |memory_mib    |<=0.03|plain|
produce_1k       |cpu_gib       |<=0.45|plain|produce bytes=1g
produce_100      |cpu_us_record |<=0.25|plain|produce record=100 batch=16k bytes=512m
produce_one      |requests_cpu_s|>=5   |plain|produce record=100 batch=1 conns=16 partitions=16 per_request=1
produce_one_all  |requests_cpu_s|>=4   |plain|produce record=100 batch=1 conns=16 partitions=16 per_request=1 acks=-1
produce_lz4      |cpu_gib       |<=0.4 |plain|produce codec=lz4 bytes=512m
produce_zstd     |cpu_gib       |<=0.4 |plain|produce codec=zstd bytes=512m
produce_gzip     |cpu_gib       |<=0.8 |plain|produce codec=gzip bytes=512m
produce_tls      |cpu_gib       |<=0.55|tls  |produce bytes=1g
fetch            |cpu_gib       |<=0.8 |plain|fetch bytes=512m
fetch_tls        |cpu_gib       |<=0.5 |tls  |fetch bytes=512m
fetch_session    |cpu_us_request|<=0.1 |plain|fetch bytes=2m record=1024 batch=1k partitions=10 idle=1000 part_bytes=2048
latency_p50      |p50_us        |<=0.4 |plain|latency partitions=16
latency_p99      |p99_us        |<=0.25|plain|latency partitions=16
latency_p999     |p999_us       |<=0.1 |plain|latency partitions=16
idle             |memory_conn   |<=1024|plain|idle conns=10000
idle_tls         |memory_conn   |<=0.15|tls  |idle conns=10000
create_topics    |leaders_s     |<=0.5 |plain|topics topics=1000 partitions=1
first_write      |first_write_s |<=0.05|plain|topics topics=1000 partitions=1
memory_load      |memory_mib    |<=0.05|plain|
ready            |ready_s       |<=0.02|plain|
ready_2000       |ready_s       |<=0.1 |plain|
recovery         |ready_s       |<=0.1 |plain|
'
# Rows that share one run: the figures of the first row's line are used.
same_run='latency_p99 latency_p999 first_write'

load=${KB_BUILDDIR:?is set by make}/tests/bench/load

# Which broker is meant from here on: ours or peer.  Each was described by
# adopt, from inside its with_cluster.
declare -A b_plain b_tls b_ca b_pid b_props b_cmd
adopt() {
	b_plain[$1]=$KT_PLAIN b_tls[$1]=$KT_SSL b_ca[$1]=$KT_CA
	b_pid[$1]=$KT_PID b_props[$1]=$KT_PROPERTIES
	b_cmd[$1]=$KT_BROKER
	[ -z "$KT_PEER" ] || b_cmd[$1]="$KT_PEER broker"
}

# run SIDE LISTENER ARGUMENT...: one line of JSON.
run() {
	local side=$1 listener=$2 mode=$3
	shift 3
	if [ "$listener" = tls ]; then
		set -- "server=${b_tls[$side]}" "ca=${b_ca[$side]}" "$@"
	else
		set -- "server=${b_plain[$side]}" "$@"
	fi
	timeout "${KB_BENCH_LIMIT:-300}" "$load" "$mode" \
	    "pid=${b_pid[$side]}" "$@"
}

# figure NAME JSON
figure() {
	sed -n "s/.*\"$1\": \([-0-9.e+]*\).*/\1/p" <<<"$2"
}

# End the broker with a signal and start it again on its files.
restart() {
	local side=$1 signal=$2 began
	kill "-$signal" "${b_pid[$side]}"
	while kill -0 "${b_pid[$side]}" 2>/dev/null &&
	    [ "$(cut -d' ' -f3 "/proc/${b_pid[$side]}/stat")" != Z ]; do
		sleep 0.1
	done
	# Its session must have ended, or it may not register again.
	[ "$signal" = TERM ] || sleep 7
	began=${EPOCHREALTIME/./}
	${b_cmd[$side]} "${b_props[$side]}" >>"${b_props[$side]}.log" 2>&1 &
	b_pid[$side]=$!
	run "$side" plain ready "since_us=$began"
}
stop_started() {
	local side
	for side in "${!b_pid[@]}"; do
		[ "${b_pid[$side]}" = "${b_first[$side]}" ] ||
		    kill "${b_pid[$side]}"
	done
	wait
}

row_memory_idle() {
	row_memory_load "$1"
}
row_memory_load() {
	awk '/RssAnon/ { printf "{\"memory_mib\": %.1f}\n", $2 / 1024 }' \
	    "/proc/${b_pid[$1]}/status"
}
row_ready() {
	restart "$1" TERM
}
row_ready_2000() {
	[ -n "${made_2000[$1]}" ] ||
	    run "$1" plain topics topics=1000 partitions=2 \
	    keep=1 >/dev/null
	made_2000[$1]=yes
	restart "$1" TERM
}
row_recovery() {
	run "$1" plain preload partitions=8 "topic=recovery-$RANDOM" \
	    "bytes=${KB_BENCH_RECOVERY:-4g}" >/dev/null &&
	    restart "$1" KILL
}
declare -A made_2000

# What the run before wrote is on disk or deleted: less than 256 MiB of it
# are in memory, or half a minute is over.
settle() {
	local i
	for ((i = 0; i < 30; i++)); do
		awk '/^(Dirty|Writeback):/ { n += $2 }
		    END { exit n > 262144 }' /proc/meminfo && return
		sleep 1
	done
}

# measure SIDE ROW: one line of JSON.
measure() {
	local name fig goal listener args
	settle
	IFS='|' read -r name fig goal listener args <<<"$(row "$2")"
	name=${name%% *} listener=${listener%% *}
	if [ -z "$args" ]; then
		"row_$name" "$1"
	else
		# shellcheck disable=SC2086
		run "$1" "$listener" $args
	fi
}
row() {
	grep "^$1 *|" <<<"$rows"
}
field() { # ROW NUMBER
	row "$1" | cut -d'|' -f"$2" | tr -d ' '
}
names() {
	cut -d'|' -f1 <<<"$rows" | tr -d ' ' | grep .
}
