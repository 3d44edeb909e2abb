/*
 * validate -- the leader's decision about the records of one produce request
 * for one partition, without touching the log.
 *
 * Everything expensive is done here, before any lock: checksum, a walk over
 * all records, decompression, conversion to magic 2 and to the topic's
 * codec.  What is left for the append is to write base offset and leader
 * epoch, which no checksum covers, and the patch given here: the log copies
 * the bytes anyway, so the producer's are never written to.
 *
 * The result is exactly one batch of magic 2, or no bytes at all.
 *
 * Kafka: ProduceRequest.validateRecords, UnifiedLog.analyzeAndValidateRecords,
 * LogValidator.
 *
 * @thread any
 */
#ifndef KC_VALIDATE_H
#define KC_VALIDATE_H

#include "kcommon/record/batch.h"

#define KC_CODEC_PRODUCER (-1) /* target: keep the producer's codec */

struct kc_validate_params {
	const char *name; /* "topic-0", for texts; borrowed */
	int api_version; /* of Produce; from 3 on, one batch of magic 2 */
	int32_t max_message_bytes;
	bool compact; /* a key may not be null */
	bool append_time; /* message.timestamp.type=LogAppendTime */
	int64_t before_max_ms; /* message.timestamp.before.max.ms */
	int64_t after_max_ms;
	int64_t now_ms;
	int codec; /* compression.type: enum kc_codec or KC_CODEC_PRODUCER */
	/* Levels used when a batch is compressed again, by codec. */
	int level[KC_CODEC_MAX + 1];
};

/* Kafka's defaults; name "", now_ms 0, api_version 9. */
extern const struct kc_validate_params kc_validate_params_default;

enum kc_verdict {
	KC_VERDICT_OK,
	KC_VERDICT_CORRUPT, /* CORRUPT_MESSAGE 2 */
	KC_VERDICT_TOO_LARGE, /* MESSAGE_TOO_LARGE 10 */
	KC_VERDICT_TIMESTAMP, /* INVALID_TIMESTAMP 32 */
	KC_VERDICT_CODEC, /* UNSUPPORTED_COMPRESSION_TYPE 76 */
	KC_VERDICT_INVALID, /* INVALID_RECORD 87 */
};

enum kc_record_fault {
	KC_FAULT_NO_KEY,
	KC_FAULT_TIMESTAMP,
	KC_FAULT_TIMESTAMP_TYPE,
	KC_FAULT_MAGIC,
	KC_FAULT_NESTED,
};

/* A record at fault; its text comes from kc_validated_fault_text(). */
struct kc_record_error {
	int32_t index; /* in the batch: batchIndex of the response */
	enum kc_record_fault fault;
	int64_t offset; /* as produced */
	int64_t timestamp;
};

/* Beyond this many errors are counted but not listed. */
#define KC_RECORD_ERRORS_MAX 1000
#define KC_VALIDATE_TEXT 1024 /* room for any text, with the NUL */

struct kc_validated {
	enum kc_verdict verdict;
	char text[KC_VALIDATE_TEXT]; /* errorMessage; "" when OK */
	struct kc_record_error *errors; /* owned */
	int nerrors; /* listed */
	int32_t faults; /* found */

	/* The rest only with KC_VERDICT_OK. */
	const uint8_t *p; /* the batch: the producer's bytes, or in built */
	size_t len; /* 0: nothing to append, and that is a success */
	struct kc_wr built; /* owned */
	/* Header fields to overwrite in the copy, with the checksum of that. */
	bool patch;
	int16_t attributes;
	int64_t max_timestamp;
	uint32_t crc;

	int32_t count; /* records; last offset delta is count - 1 */
	int32_t max_timestamp_delta; /* of the record that has it */
	int64_t append_time; /* what to answer: now_ms, or -1 */
	int64_t producer_id; /* -1 none */
	int16_t producer_epoch;
	int32_t first_sequence; /* -1 none */
	int32_t last_sequence;
	bool txn;
	enum kc_codec codec; /* of the result */
};

/*
 * Judges p[0..len), which must outlive *out.  KC_OK with out->verdict set,
 * or KC_ENOMEM.  kc_validated_fini() in either case.
 */
int kc_validate(const struct kc_validate_params *params,
    struct kc_compress_ctx *ctx, const uint8_t *p, size_t len,
    struct kc_validated *out);
void kc_validated_fini(struct kc_validated *out);

/* Kafka's text for errors[i]; buf holds KC_VALIDATE_TEXT bytes. */
const char *kc_validated_fault_text(const struct kc_validate_params *params,
    const struct kc_record_error *e, char *buf);

/*
 * What the request level wants to know before any partition is looked at.
 * Never fails: malformed bytes count as nothing.
 */
struct kc_records_peek {
	bool any; /* a whole batch is there */
	bool txn; /* some batch is transactional */
	bool idempotent; /* some batch has a producer id */
	/* Of the first transactional batch, else of the first with an id. */
	int64_t producer_id; /* -1 none */
	int16_t producer_epoch;
	int32_t first_sequence;
	bool mixed; /* two producers among transactional batches */
};

void kc_records_peek(const uint8_t *p, size_t len, struct kc_records_peek *out);

#endif
