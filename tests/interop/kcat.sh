# kcat produces and consumes over both listeners.
. "$(dirname "$0")/common.sh"
need kcat

ssl=(-X security.protocol=ssl -X "ssl.ca.location=$KT_CA")
cd "$KT_DIR"

for codec in none gzip snappy lz4 zstd; do
	topic=kcat-$codec
	seq 1 2000 | sed 's/.*/key-&:value & of '"$codec"'/' >"$topic.in"
	kcat -b "$KT_PLAIN" -P -t "$topic" -p 0 -K: -z "$codec" \
	    -H "origin=kcat" <"$topic.in"
	kcat -b "$KT_PLAIN" -C -t "$topic" -p 0 -o beginning -e -q -K: \
	    >"$topic.out"
	cmp "$topic.in" "$topic.out" || fail "$codec: other bytes came back"
	kcat -b "$KT_SSL" "${ssl[@]}" -C -t "$topic" -p 0 -o beginning -e -q \
	    -K: >"$topic.ssl"
	cmp "$topic.in" "$topic.ssl" || fail "$codec: other bytes over TLS"
	step "$codec: 2000 messages, the same over both listeners"
done

seq 1 500 >tls.in
kcat -b "$KT_SSL" "${ssl[@]}" -P -t kcat-tls -p 0 -X acks=all \
    -X enable.idempotence=true <tls.in
kcat -b "$KT_PLAIN" -C -t kcat-tls -p 0 -o beginning -e -q >tls.out
cmp tls.in tls.out || fail "TLS: other bytes came back"
step "produced over TLS, idempotent"

headers=$(kcat -b "$KT_PLAIN" -C -t kcat-none -p 0 -o beginning -c 1 -q -f '%h')
[ "$headers" = origin=kcat ] || fail "headers: $headers"
last=$(kcat -b "$KT_PLAIN" -C -t kcat-tls -p 0 -o -1 -c 1 -q)
[ "$last" = 500 ] || fail "the last message is $last"
by_time=$(kcat -b "$KT_PLAIN" -Q -t kcat-tls:0:1)
[ "$by_time" = "kcat-tls [0] offset 0" ] || fail "offset by time: $by_time"
step "headers, offsets from the end and by time"

if kcat -b "$KT_SSL" -X security.protocol=ssl -L -X socket.timeout.ms=3000 \
    -m 3 >untrusted.out 2>&1; then
	fail "a client that does not know the authority was content"
fi
step "a client without the authority refuses the certificate"
