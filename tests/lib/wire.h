/*
 * wire -- Kafka's protocol by hand, for what no client library would send.
 *
 * Requests are built byte by byte here, without the project's own codec, so
 * that a mistake there cannot hide itself.
 *
 * @thread any (a kt_wire belongs to one thread)
 */
#ifndef KT_WIRE_H
#define KT_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KT_WIRE_MAX (1 << 20)

struct kt_bytes { /* a message being built or read, big-endian */
	uint8_t *p; /* KT_WIRE_MAX bytes, owned */
	size_t len;
	size_t at; /* where reading goes on */
};

void kt_bytes_init(struct kt_bytes *b);
void kt_bytes_free(struct kt_bytes *b);
void kt_put_i8(struct kt_bytes *b, int v);
void kt_put_i16(struct kt_bytes *b, int v);
void kt_put_i32(struct kt_bytes *b, int32_t v);
void kt_put_i64(struct kt_bytes *b, int64_t v);
void kt_put_str(struct kt_bytes *b, const char *s); /* NULL: null string */
void kt_put(struct kt_bytes *b, const void *p, size_t n);
/* Reading past the end fails the test. */
int kt_get_i8(struct kt_bytes *b);
int kt_get_i16(struct kt_bytes *b);
int32_t kt_get_i32(struct kt_bytes *b);
int64_t kt_get_i64(struct kt_bytes *b);
/* Copy of a string, cut to size; returns its length or -1 for null. */
int kt_get_str(struct kt_bytes *b, char *to, size_t size);

/* A connected socket to 127.0.0.1, or -1. */
int kt_connect(int port);
/* Size and request header v1 (no tagged fields), then body, in one frame. */
void kt_send_request(
    int fd, int api, int version, int32_t corr, const struct kt_bytes *body);
/* Exactly these bytes; false when the peer has closed. */
bool kt_send_raw(int fd, const void *p, size_t n);

enum kt_answer {
	KT_ANSWER, /* a whole frame, without its size, is in *b */
	KT_CLOSED, /* the peer closed the connection */
	KT_SILENT, /* nothing for limit_ms */
};
enum kt_answer kt_receive(int fd, int limit_ms, struct kt_bytes *b);

/*
 * Ask for Metadata v1 of no topic: the controller's id, and how many
 * brokers, or -1 while nobody listens or the answer is not complete.
 */
int kt_metadata(int port, int *controller_id);

/*
 * Create a topic by CreateTopics v0 and wait until it has leaders; its error
 * code.
 */
int kt_wire_create(int port, const char *topic, int partitions);

/*
 * A batch of one record (magic 2, uncompressed, value n bytes of 'v') with a
 * right CRC at the end of b.
 */
void kt_put_batch(struct kt_bytes *b, size_t n);
/* Produce v3 of records (a batch or not) to partition 0 of topic, acks 1. */
void kt_produce_body(
    struct kt_bytes *b, const char *topic, const struct kt_bytes *records);
/* The error code in a Produce v3 answer. */
int kt_produce_error(struct kt_bytes *answer);
uint32_t kt_crc32c(const uint8_t *p, size_t n);

#endif
