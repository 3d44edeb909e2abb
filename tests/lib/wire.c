#include "tests/lib/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/test.h"

void
kt_bytes_init(struct kt_bytes *b)
{
	b->p = malloc(KT_WIRE_MAX);
	KT_CHECK(b->p != NULL);
	b->len = b->at = 0;
}

void
kt_bytes_free(struct kt_bytes *b)
{
	free(b->p);
	b->p = NULL;
}

void
kt_put(struct kt_bytes *b, const void *p, size_t n)
{
	KT_CHECK(n <= KT_WIRE_MAX - b->len);
	if (n > 0)
		memcpy(b->p + b->len, p, n);
	b->len += n;
}

static void
put_be(struct kt_bytes *b, uint64_t v, int bytes)
{
	uint8_t be[8];
	int i;

	for (i = 0; i < bytes; i++)
		be[i] = (uint8_t)(v >> (8 * (bytes - 1 - i)));
	kt_put(b, be, (size_t)bytes);
}

void
kt_put_i8(struct kt_bytes *b, int v)
{
	put_be(b, (uint64_t)v, 1);
}

void
kt_put_i16(struct kt_bytes *b, int v)
{
	put_be(b, (uint64_t)v, 2);
}

void
kt_put_i32(struct kt_bytes *b, int32_t v)
{
	put_be(b, (uint64_t)v, 4);
}

void
kt_put_i64(struct kt_bytes *b, int64_t v)
{
	put_be(b, (uint64_t)v, 8);
}

void
kt_put_str(struct kt_bytes *b, const char *s)
{
	kt_put_i16(b, s == NULL ? -1 : (int)strlen(s));
	if (s != NULL)
		kt_put(b, s, strlen(s));
}

static uint64_t
get_be(struct kt_bytes *b, size_t bytes)
{
	uint64_t v = 0;

	KT_CHECK(bytes <= b->len - b->at);
	while (bytes-- > 0)
		v = v << 8 | b->p[b->at++];
	return v;
}

int
kt_get_i8(struct kt_bytes *b)
{
	return (int8_t)get_be(b, 1);
}

int
kt_get_i16(struct kt_bytes *b)
{
	return (int16_t)get_be(b, 2);
}

int32_t
kt_get_i32(struct kt_bytes *b)
{
	return (int32_t)get_be(b, 4);
}

int64_t
kt_get_i64(struct kt_bytes *b)
{
	return (int64_t)get_be(b, 8);
}

int
kt_get_str(struct kt_bytes *b, char *to, size_t size)
{
	int n = kt_get_i16(b);

	to[0] = '\0';
	if (n < 0)
		return -1;
	KT_CHECK((size_t)n <= b->len - b->at);
	snprintf(to, size, "%.*s", n, (const char *)b->p + b->at);
	b->at += (size_t)n;
	return n;
}

int
kt_connect(int port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	KT_CHECK(fd >= 0);
	if (connect(fd, (struct sockaddr *)&sin, sizeof sin) == 0)
		return fd;
	close(fd);
	return -1;
}

bool
kt_send_raw(int fd, const void *p, size_t n)
{
	const char *from = p;

	while (n > 0) {
		ssize_t done = send(fd, from, n, MSG_NOSIGNAL);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		from += done;
		n -= (size_t)done;
	}
	return true;
}

void
kt_send_request(
    int fd, int api, int version, int32_t corr, const struct kt_bytes *body)
{
	struct kt_bytes b;

	kt_bytes_init(&b);
	kt_put_i32(&b, 0); /* the size, below */
	kt_put_i16(&b, api);
	kt_put_i16(&b, version);
	kt_put_i32(&b, corr);
	kt_put_str(&b, "kt");
	kt_put(&b, body->p, body->len);
	uint32_t size = htonl((uint32_t)(b.len - 4));
	memcpy(b.p, &size, 4);
	kt_send_raw(fd, b.p, b.len);
	kt_bytes_free(&b);
}

/* n bytes before end_ms: 1, closed: 0, not in time: -1. */
static int
read_all(int fd, uint8_t *to, size_t n, int64_t end_ms)
{
	while (n > 0) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };
		int64_t left = end_ms - kt_now_ms();
		ssize_t got;

		if (left <= 0 || poll(&pfd, 1, (int)left) == 0)
			return -1;
		got = recv(fd, to, n, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return 0;
		to += got;
		n -= (size_t)got;
	}
	return 1;
}

enum kt_answer
kt_receive(int fd, int limit_ms, struct kt_bytes *b)
{
	int64_t end_ms = kt_now_ms() + limit_ms;
	int rc;

	b->at = 0;
	b->len = 4;
	if ((rc = read_all(fd, b->p, 4, end_ms)) == 1) {
		int32_t size = kt_get_i32(b);

		KT_CHECKF(size >= 4 && size <= KT_WIRE_MAX,
		    "answer of %d bytes", size);
		b->at = 0;
		b->len = (size_t)size;
		rc = read_all(fd, b->p, b->len, end_ms);
	}
	return rc == 1 ? KT_ANSWER : rc == 0 ? KT_CLOSED : KT_SILENT;
}

static int
read_metadata(struct kt_bytes *b, int *controller_id)
{
	char text[256];
	int n;
	int i;

	kt_get_i32(b); /* correlation */
	n = kt_get_i32(b);
	for (i = 0; i < n; i++) {
		kt_get_i32(b);
		kt_get_str(b, text, sizeof text);
		kt_get_i32(b);
		kt_get_str(b, text, sizeof text);
	}
	*controller_id = kt_get_i32(b);
	return n;
}

int
kt_metadata(int port, int *controller_id)
{
	struct kt_bytes b;
	int fd = kt_connect(port);
	int n = -1;

	*controller_id = -1;
	if (fd < 0)
		return -1;
	kt_bytes_init(&b);
	kt_put_i32(&b, 0); /* an empty array: no topic */
	kt_send_request(fd, 3, 1, 1, &b);
	if (kt_receive(fd, 5000, &b) == KT_ANSWER)
		n = read_metadata(&b, controller_id);
	kt_bytes_free(&b);
	close(fd);
	return n;
}

int
kt_wire_create(int port, const char *topic, int partitions)
{
	struct kt_bytes b;
	int fd = kt_connect(port);
	char name[256];
	int err;

	KT_CHECK(fd >= 0);
	kt_bytes_init(&b);
	kt_put_i32(&b, 1); /* topics */
	kt_put_str(&b, topic);
	kt_put_i32(&b, partitions);
	kt_put_i16(&b, 1); /* replicas */
	kt_put_i32(&b, 0); /* assignments */
	kt_put_i32(&b, 0); /* settings */
	kt_put_i32(&b, 20000); /* wait so long */
	kt_send_request(fd, 19, 0, 1, &b);
	KT_EQ(kt_receive(fd, 30000, &b), KT_ANSWER);
	kt_get_i32(&b); /* correlation */
	KT_EQ(kt_get_i32(&b), 1);
	kt_get_str(&b, name, sizeof name);
	err = kt_get_i16(&b);
	kt_bytes_free(&b);
	close(fd);
	return err;
}

uint32_t
kt_crc32c(const uint8_t *p, size_t n)
{
	uint32_t crc = ~0u;
	int bit;

	while (n-- > 0) {
		crc ^= *p++;
		for (bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (0x82f63b78u & (0 - (crc & 1)));
	}
	return ~crc;
}

static void
put_varint(struct kt_bytes *b, int32_t v)
{
	uint32_t z = ((uint32_t)v << 1) ^ (uint32_t)(v >> 31);

	for (; z >= 0x80; z >>= 7)
		kt_put_i8(b, (int)(z & 0x7f) | 0x80);
	kt_put_i8(b, (int)z);
}

static void
set_be32(uint8_t *p, uint32_t v)
{
	v = htonl(v);
	memcpy(p, &v, 4);
}

void
kt_put_batch(struct kt_bytes *b, size_t n)
{
	struct kt_bytes rec;
	size_t start = b->len;
	int64_t now = (int64_t)time(NULL) * 1000;

	kt_bytes_init(&rec);
	kt_put_i8(&rec, 0); /* attributes */
	put_varint(&rec, 0); /* timestamp delta */
	put_varint(&rec, 0); /* offset delta */
	put_varint(&rec, -1); /* no key */
	put_varint(&rec, (int32_t)n);
	KT_CHECK(n < KT_WIRE_MAX / 2);
	memset(rec.p + rec.len, 'v', n);
	rec.len += n;
	put_varint(&rec, 0); /* headers */

	kt_put_i64(b, 0); /* base offset */
	kt_put_i32(b, 0); /* length, below */
	kt_put_i32(b, -1); /* leader epoch */
	kt_put_i8(b, 2); /* magic */
	kt_put_i32(b, 0); /* CRC, below */
	kt_put_i16(b, 0); /* attributes */
	kt_put_i32(b, 0); /* last offset delta */
	kt_put_i64(b, now);
	kt_put_i64(b, now);
	kt_put_i64(b, -1); /* producer id */
	kt_put_i16(b, -1);
	kt_put_i32(b, -1);
	kt_put_i32(b, 1); /* records */
	put_varint(b, (int32_t)rec.len);
	kt_put(b, rec.p, rec.len);
	set_be32(b->p + start + 8, (uint32_t)(b->len - start - 12));
	set_be32(b->p + start + 17,
	    kt_crc32c(b->p + start + 21, b->len - start - 21));
	kt_bytes_free(&rec);
}

void
kt_produce_body(
    struct kt_bytes *b, const char *topic, const struct kt_bytes *records)
{
	b->len = 0;
	kt_put_str(b, NULL); /* transactional id */
	kt_put_i16(b, 1); /* acks */
	kt_put_i32(b, 10000);
	kt_put_i32(b, 1); /* topics */
	kt_put_str(b, topic);
	kt_put_i32(b, 1); /* partitions */
	kt_put_i32(b, 0);
	kt_put_i32(b, (int32_t)records->len);
	kt_put(b, records->p, records->len);
}

int
kt_produce_error(struct kt_bytes *answer)
{
	char topic[256];

	kt_get_i32(answer); /* correlation */
	KT_EQ(kt_get_i32(answer), 1);
	kt_get_str(answer, topic, sizeof topic);
	KT_EQ(kt_get_i32(answer), 1);
	KT_EQ(kt_get_i32(answer), 0);
	return kt_get_i16(answer);
}
