/*
 * b04 -- bytes that no client sends: Kafka's answer or a closed connection,
 * and the broker goes on serving.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/client.h"
#include "tests/lib/test.h"
#include "tests/lib/wire.h"

#define API_PRODUCE 0
#define API_FETCH 1
#define API_METADATA 3
#define API_VERSIONS 18
#define CORRUPT_MESSAGE 2
#define UNSUPPORTED_VERSION 35
#define INVALID_RECORD 87

#define REPLY_MS 10000

static struct kt_cluster *c;
static struct kt_bytes b;

static int
open_plain(void)
{
	int fd = kt_connect(c->b[0].port[KT_PLAIN]);

	KT_CHECKF(fd >= 0, "the broker takes no connection any more");
	return fd;
}

static void
still_serves(const char *after)
{
	int controller = -1;

	kt_broker_alive(c, 0);
	KT_CHECKF(kt_metadata(c->b[0].port[KT_PLAIN], &controller) == 1,
	    "no Metadata after: %s", after);
	kt_step("%s", after);
}

/* These bytes, then the peer must close without a word. */
static void
closes(const char *what, const void *p, size_t n)
{
	int fd = open_plain();

	kt_send_raw(fd, p, n);
	KT_EQ(kt_receive(fd, REPLY_MS, &b), KT_CLOSED);
	close(fd);
	still_serves(what);
}

static void
bad_frames(void)
{
	/* Sizes: over socket.request.max.bytes, negative; a TLS hello. */
	static const uint8_t huge[] = { 0x7f, 0xff, 0xff, 0xff, 0, 3 };
	static const uint8_t over[] = { 0x06, 0x40, 0x00, 0x01, 0, 3 };
	static const uint8_t negative[] = { 0xff, 0xff, 0xff, 0xfe, 0, 3 };
	static const uint8_t tls[] = { 0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00,
		0x01, 0xfc, 0x03, 0x03 };
	/* A header cut after the API key; an API that is none. */
	static const uint8_t cut[] = { 0, 0, 0, 2, 0, 3 };
	static const uint8_t no_api[] = { 0, 0, 0, 10, 0x03, 0xe7, 0, 0, 0, 0,
		0, 1, 0xff, 0xff };
	static const uint8_t no_version[] = { 0, 0, 0, 10, 0, 3, 0, 99, 0, 0, 0,
		1, 0xff, 0xff };
	/* A client id that is longer than the frame. */
	static const uint8_t long_id[] = { 0, 0, 0, 10, 0, 3, 0, 1, 0, 0, 0, 1,
		0x7f, 0xff };

	closes("a size of 2 GiB", huge, sizeof huge);
	closes("a size one over socket.request.max.bytes", over, sizeof over);
	closes("a negative size", negative, sizeof negative);
	closes("TLS on the plain listener", tls, sizeof tls);
	closes("a header of two bytes", cut, sizeof cut);
	closes("an unknown API", no_api, sizeof no_api);
	closes("an unknown version", no_version, sizeof no_version);
	closes("a client id beyond the frame", long_id, sizeof long_id);
}

static void
bad_bodies(void)
{
	static const int32_t counts[] = { 0x7fffffff, 0x10000000, 1000 };
	size_t i;
	int fd;

	for (i = 0; i < sizeof counts / sizeof *counts; i++) {
		fd = open_plain();
		b.len = 0;
		kt_put_i32(&b, counts[i]);
		kt_send_request(fd, API_METADATA, 1, 1, &b);
		KT_EQ(kt_receive(fd, REPLY_MS, &b), KT_CLOSED);
		close(fd);
		still_serves("an array that is longer than the frame");
	}

	fd = open_plain();
	b.len = 0;
	kt_put_i16(&b, -1);
	kt_put_i16(&b, 1);
	kt_send_request(fd, API_PRODUCE, 3, 1, &b);
	KT_EQ(kt_receive(fd, REPLY_MS, &b), KT_CLOSED);
	close(fd);
	still_serves("a Produce that ends after acks");

	fd = open_plain();
	b.len = 0;
	kt_send_request(fd, API_FETCH, 4, 1, &b);
	KT_EQ(kt_receive(fd, REPLY_MS, &b), KT_CLOSED);
	close(fd);
	still_serves("a Fetch without a body");
}

/* Version 99 of ApiVersions is told version 0's answer with an error. */
static void
new_client(void)
{
	int fd = open_plain();

	b.len = 0;
	kt_put_i8(&b, 0); /* tagged fields of the header */
	kt_put_i8(&b, 0);
	kt_send_request(fd, API_VERSIONS, 99, 7, &b);
	KT_EQ(kt_receive(fd, REPLY_MS, &b), KT_ANSWER);
	KT_EQ(kt_get_i32(&b), 7);
	KT_EQ(kt_get_i16(&b), UNSUPPORTED_VERSION);
	KT_CHECK(kt_get_i32(&b) >= 1);
	close(fd);
	still_serves("ApiVersions from the future");
}

static int
produce_error(const struct kt_bytes *records)
{
	int fd = open_plain();
	int err;

	kt_produce_body(&b, "hostile", records);
	kt_send_request(fd, API_PRODUCE, 3, 1, &b);
	KT_EQ(kt_receive(fd, REPLY_MS, &b), KT_ANSWER);
	err = kt_produce_error(&b);
	close(fd);
	return err;
}

static void
bad_records(void)
{
	struct kt_bytes rec;

	kt_bytes_init(&rec);
	kt_put_batch(&rec, 100);
	KT_EQ(produce_error(&rec), 0);

	rec.p[rec.len - 5] ^= 1;
	KT_EQ(produce_error(&rec), CORRUPT_MESSAGE);
	still_serves("a batch with one wrong bit");

	rec.len = 0;
	kt_put_batch(&rec, 100);
	rec.p[8] = 0x7f; /* length of the batch */
	KT_EQ(produce_error(&rec), INVALID_RECORD);
	still_serves("a batch longer than its records");

	rec.len = 0;
	kt_put_batch(&rec, 100);
	rec.p[16] = 9; /* magic */
	KT_EQ(produce_error(&rec), CORRUPT_MESSAGE);
	still_serves("a magic that is none");

	rec.len = 0;
	kt_put_batch(&rec, 100);
	rec.p[60] = 5; /* records: five are announced, one is there */
	uint32_t crc = kt_crc32c(rec.p + 21, rec.len - 21);
	rec.p[17] = (uint8_t)(crc >> 24);
	rec.p[18] = (uint8_t)(crc >> 16);
	rec.p[19] = (uint8_t)(crc >> 8);
	rec.p[20] = (uint8_t)crc;
	KT_CHECK(produce_error(&rec) != 0);
	still_serves("a batch that lies about its records");
	kt_bytes_free(&rec);
}

/* Many connections that send half a frame and stay. */
static void
slow_clients(void)
{
	static const uint8_t half[] = { 0, 0, 1, 0, 0, 3 };
	int fd[200];
	size_t i;

	for (i = 0; i < sizeof fd / sizeof *fd; i++) {
		fd[i] = open_plain();
		kt_send_raw(fd[i], half, sizeof half);
	}
	still_serves("200 half frames that wait");
	for (i = 0; i < sizeof fd / sizeof *fd; i++)
		close(fd[i]);
}

/* The same noise for each seed: random bytes behind a plausible size. */
static void
noise(void)
{
	uint32_t x = 12345;
	uint8_t buf[512];
	size_t k;
	int i;

	for (i = 0; i < 300; i++) {
		int fd = open_plain();

		for (k = 0; k < sizeof buf; k++) {
			x = x * 1103515245 + 12345;
			buf[k] = (uint8_t)(x >> 16);
		}
		buf[0] = buf[1] = 0;
		buf[2] = 1;
		buf[4] = 0;
		buf[5] %= 75;
		buf[6] = 0;
		buf[7] %= 13;
		kt_send_raw(fd, buf, sizeof buf);
		close(fd);
	}
	still_serves("300 frames of noise");
}

int
main(void)
{
	rd_kafka_t *rk;

	c = kt_cluster_start(1, NULL);
	kt_bytes_init(&b);
	rk = kt_client(c, RD_KAFKA_PRODUCER, KT_PLAIN, NULL);
	KT_EQ(kt_create_topic(rk, "hostile", 1, NULL, NULL), 0);
	KT_UNTIL(10000, kt_topic_partitions(rk, "hostile") == 1);
	bad_frames();
	bad_bodies();
	new_client();
	bad_records();
	slow_clients();
	noise();
	kt_client_free(&rk);
	kt_bytes_free(&b);
	kt_cluster_stop(&c);
	return 0;
}
