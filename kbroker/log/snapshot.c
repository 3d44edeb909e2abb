/* The .snapshot files of producers.h (Kafka: ProducerStateManager). */
#include "kbroker/log/bytes.h"
#include "kbroker/log/producers.h"
#include "kcommon/base/err.h"
#include "kcommon/crc/crc32c.h"

#include <stdlib.h>
#include <utlist.h>

/* version i16, crc u32 of what follows, count i32 */
#define HEAD 10
#define CRC_FROM 6
#define ENTRY 46
#define SNAPSHOT_MAX ((size_t)HEAD + (size_t)ENTRY * KB_PRODUCERS_MAX)

static void
put_entry(uint8_t *p, const struct kb_producer *pr)
{
	const struct kb_producer_batch none = { .last_seq = -1,
		.last_offset = -1 };
	const struct kb_producer_batch *b = &none;

	if (pr->nbatches > 0)
		b = &pr->batch[pr->nbatches - 1];
	kb_put64(p, pr->id);
	kb_put16(p + 8, pr->epoch);
	kb_put32(p + 10, b->last_seq);
	kb_put64(p + 14, b->last_offset);
	kb_put32(p + 22, b->delta);
	kb_put64(p + 26, pr->last_timestamp);
	kb_put32(p + 34, pr->coordinator_epoch);
	kb_put64(p + 38, pr->txn_first);
}

int
kb_snapshot_bytes(const struct kb_producers *ps, char **out, size_t *len)
{
	const struct kb_producer *pr;
	int32_t n = 0;
	uint8_t *p;

	p = malloc(HEAD + (size_t)HASH_COUNT(ps->map) * ENTRY);
	if (p == NULL)
		return KC_ENOMEM;
	for (pr = ps->map; pr != NULL; pr = pr->hh.next)
		if (pr->epoch >= 0) /* else reserved and never used */
			put_entry(p + HEAD + (size_t)n++ * ENTRY, pr);
	*len = HEAD + (size_t)n * ENTRY;
	kb_put16(p, 1);
	kb_put32(p + 6, n);
	kb_put32(p + 2, (int32_t)kc_crc32c(0, p + CRC_FROM, *len - CRC_FROM));
	*out = (char *)p;
	return KC_OK;
}

static int
take_entry(struct kb_producers *ps, const uint8_t *p)
{
	int32_t last_seq = kb_get32(p + 10);
	int64_t last_offset = kb_get64(p + 14);
	int32_t delta = kb_get32(p + 22);
	struct kb_producer *pr;
	struct kb_producer *o;
	int rc;

	if (kb_get64(p) < 0 || kb_get16(p + 8) < 0 || delta < 0 ||
	    kb_producers_find(ps, kb_get64(p)) != NULL)
		return KC_ECORRUPT;
	if ((rc = kb_producers_reserve(ps, kb_get64(p))) != KC_OK)
		return rc;
	pr = kb_producers_find(ps, kb_get64(p));
	pr->epoch = kb_get16(p + 8);
	pr->last_timestamp = kb_get64(p + 26);
	pr->coordinator_epoch = kb_get32(p + 34);
	if (last_offset >= 0) {
		pr->nbatches = 1;
		pr->batch[0].last_seq = last_seq;
		pr->batch[0].delta = delta;
		pr->batch[0].last_offset = last_offset;
		pr->batch[0].timestamp = pr->last_timestamp;
	}
	if (kb_get64(p + 38) < 0)
		return KC_OK;
	pr->txn_first = kb_get64(p + 38);
	/* Entries come in any order, the list is by first offset. */
	DL_FOREACH(ps->open, o)
		if (o->txn_first > pr->txn_first)
			break;
	if (o == NULL)
		DL_APPEND(ps->open, pr);
	else
		DL_PREPEND_ELEM(ps->open, o, pr);
	return KC_OK;
}

static int
take(struct kb_producers *ps, const uint8_t *p, size_t len, int64_t now_ms,
    int64_t expiration_ms)
{
	const uint8_t *e;
	int32_t i, n;
	int rc;

	if (len < HEAD || kb_get16(p) != 1)
		return KC_ECORRUPT;
	n = kb_get32(p + 6);
	if (n < 0 || (len - HEAD) / ENTRY != (size_t)n ||
	    (len - HEAD) % ENTRY != 0)
		return KC_ECORRUPT;
	if (kc_crc32c(0, p + CRC_FROM, len - CRC_FROM) !=
	    (uint32_t)kb_get32(p + 2))
		return KC_ECORRUPT;
	for (i = 0; i < n; i++) {
		e = p + HEAD + (size_t)i * ENTRY;
		if (kb_get64(e + 38) < 0 &&
		    now_ms - kb_get64(e + 26) >= expiration_ms)
			continue;
		if ((rc = take_entry(ps, e)) != KC_OK)
			return rc;
	}
	return KC_OK;
}

int
kb_snapshot_load(struct kb_producers *ps, const struct kc_file_ops *f,
    int dirfd, const char *path, int64_t offset, int64_t now_ms,
    int64_t expiration_ms)
{
	char *p = NULL;
	size_t len;
	int rc;

	kb_producers_reset(ps, offset);
	rc = kc_file_slurp(f, dirfd, path, SNAPSHOT_MAX, &p, &len);
	if (rc == KC_ELIMIT || rc == KC_EINVAL)
		return KC_ECORRUPT;
	if (rc != KC_OK)
		return rc;
	rc = take(ps, (uint8_t *)p, len, now_ms, expiration_ms);
	free(p);
	if (rc != KC_OK)
		kb_producers_reset(ps, offset);
	return rc;
}
