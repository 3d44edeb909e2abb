/*
 * load -- a load generator that is cheap beside the broker it measures.
 *
 * One thread, one loop.  Batches are built once and sent again and again: a
 * leader assigns the offsets, so that nothing of them need change.  What the
 * broker spent is read from /proc (option pid) around the measured part.
 * One run prints one line of JSON.
 *
 * Any error ends the program: a figure of a run that failed is none.
 */
#ifndef LB_LOAD_H
#define LB_LOAD_H

#include "kcommon/buf/wr.h"
#include "kcommon/compress/compress.h"
#include "kcommon/io/frames.h"
#include "kcommon/io/sock.h"
#include "kcommon/proto/kp.h"

#include <stdio.h>

struct lb_options {
	const char *host;
	int port;
	const char *ca; /* given: TLS */
	int pid; /* the broker; 0: do not measure it */
	const char *topic;
	int partitions;
	int idle; /* empty partitions in a fetch session */
	int conns;
	int inflight;
	int acks;
	int record; /* bytes of a value */
	int batch; /* bytes of the records of a batch, not compressed */
	int per_request; /* partitions of one request */
	int part_bytes; /* partition_max_bytes of a fetch */
	enum kc_codec codec;
	int warm_ms; /* before what is measured */
	int ms;
	int64_t bytes; /* stop after these; preload of a fetch */
	int rate; /* messages a second */
	int topics;
	int keep; /* do not delete them */
	int64_t since_us; /* wall clock: when the broker was started */
};

/* What a run found. */
struct lb_result {
	int64_t requests;
	int64_t records;
	int64_t bytes; /* of raw records; of a fetch, as they came */
	double secs;
	double cpu; /* broker's user and system seconds */
};

struct lb_conn;

struct lb { /* one run */
	struct lb_options o;
	struct kc_env env;
	struct kc_loop *loop;
	struct kc_tls *tls;
	struct lb_result r;

	/* The measured window; bytes and the like count only inside. */
	int64_t started_ns;
	int64_t begin_ns; /* 0: still warming up */
	double cpu_begin;
	bool over;
};

/* One connection, on the loop. */
struct lb_conn {
	struct lb *lb;
	struct kc_stream *s;
	struct kc_frames in;
	struct kc_wr out;
	struct kc_send send;
	bool up;
	int waiting; /* requests without an answer */
	/* An answer, without its size. */
	void (*on_frame)(struct lb_conn *c, const uint8_t *p, int32_t len);
	void *arg;
};

void lb_die(const char *fmt, ...)
    __attribute__((noreturn, format(printf, 1, 2)));
void *lb_alloc(size_t n);
int64_t lb_now_ns(void);
double lb_cpu(int pid);
/* Anonymous resident memory in bytes. */
int64_t lb_memory(int pid);
/* Starts and ends what is measured, by the clock and the bytes. */
void lb_window(struct lb *lb);
/* Opens the line of JSON: mode and the figures of lb->r. */
void lb_print_begin(const struct lb *lb, const char *mode);
void lb_print_end(void);

/* load_conn.c */
struct lb_conn *lb_connect(struct lb *lb);
void lb_close(struct lb_conn *c);
void lb_wait_up(struct lb_conn *c);
/* One frame, already with its size. */
void lb_send(struct lb_conn *c, const void *p, size_t len);
/* A request as a frame at the end of w. */
void lb_frame(struct kc_wr *w, int key, int version, const void *req);
/* Sends and waits; *resp is decoded into the arena. */
void lb_call(struct lb_conn *c, struct kc_arena *a, int key, int version,
    const void *req, void *resp);
void lb_decode(const uint8_t *p, int32_t len, struct kc_arena *a, int key,
    int version, void *resp);

/* load_admin.c */
void lb_create_topic(struct lb *lb, const char *topic, int partitions);
void lb_delete_topic(struct lb *lb, const char *topic);
void lb_run_topics(struct lb *lb);
void lb_run_idle(struct lb *lb);
void lb_run_ready(struct lb *lb);

/* load_produce.c */
/* A batch of values of o.record bytes; returns how many there are. */
int lb_batch(const struct lb_options *o, int64_t bytes, struct kc_wr *w);
/* A Produce request of this batch to n partitions from first on. */
void lb_produce_frame(struct kc_wr *w, const struct lb_options *o,
    const char *topic, int first, int n, const struct kc_wr *batch);
/* o.bytes into the partitions of the topic. */
void lb_preload(struct lb *lb);
void lb_run_preload(struct lb *lb); /* and nothing else */
void lb_run_produce(struct lb *lb);

/* load_fetch.c, load_latency.c */
void lb_run_fetch(struct lb *lb);
void lb_run_latency(struct lb *lb);

#endif
