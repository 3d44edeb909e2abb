# Kafka's own console producer and consumer against us, over both listeners.
. "$(dirname "$0")/common.sh"
need_peer
need kcat

cd "$KT_DIR"
cat >ssl.properties <<EOF
security.protocol=SSL
ssl.truststore.type=PEM
ssl.truststore.location=$KT_CA
EOF
echo security.protocol=PLAINTEXT >plain.properties

listener() { if [ "$1" = ssl ]; then echo "$KT_SSL"; else echo "$KT_PLAIN"; fi; }

# round_trip WAY CODEC ACKS: produced over WAY, consumed over the other.
round_trip() {
	local way=$1 codec=$2 acks=$3 other=plain topic=java-$2-$3
	[ "$way" = plain ] && other=ssl
	seq 1 1000 | sed 's/.*/key-&:value & of '"$codec"'/' >"$topic.in"
	"$PEER" topics --bootstrap-server "$KT_PLAIN" --create \
	    --topic "$topic" --partitions 1 >>java.log 2>&1
	"$PEER" console-producer --bootstrap-server "$(listener "$way")" \
	    --producer.config "$way.properties" --topic "$topic" \
	    --property parse.key=true --property key.separator=: \
	    --compression-codec "$codec" --producer-property "acks=$acks" \
	    --producer-property "enable.idempotence=$4" \
	    <"$topic.in" >>java.log 2>&1
	"$PEER" console-consumer --bootstrap-server "$(listener "$other")" \
	    --consumer.config "$other.properties" --topic "$topic" \
	    --partition 0 --offset earliest --max-messages 1000 \
	    --timeout-ms 60000 --property print.key=true \
	    --property key.separator=: >"$topic.out" 2>>java.log
	cmp "$topic.in" "$topic.out" ||
		fail "$topic: other bytes came back; $(tail -5 java.log)"
	step "$codec, acks $acks, idempotence $4: from $way to $other"
}

round_trip plain none all true
round_trip ssl gzip all true
round_trip plain snappy 1 false
round_trip ssl lz4 all true
round_trip plain zstd 0 false

"$PEER" topics --bootstrap-server "$KT_PLAIN" --list >topics.out 2>>java.log
grep -qx java-none-all topics.out || fail "the topic list lacks java-none-all"
"$PEER" topics --bootstrap-server "$KT_PLAIN" --delete --topic java-none-all \
    >>java.log 2>&1
step "topics listed and deleted by Kafka's tool"
