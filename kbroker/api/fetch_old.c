#include "kbroker/api/fetch_old.h"

#include "kbroker/core.h"
#include "kcommon/base/err.h"
#include "kcommon/io/file.h"
#include "kcommon/proto/error.h"
#include "kcommon/record/legacy.h"

#include <stdlib.h>

/*
 * Converted records may be larger than what they were: four times, and no
 * less than 1 MiB.  What does not fit is left for the next fetch by asking for
 * less.
 */
#define GROWTH 4
#define CONVERT_MIN (1024 * 1024)

static int16_t
convert(struct kb_partition_read *r, const uint8_t *p, size_t len, int8_t magic,
    struct kc_wr *w)
{
	int rc = kc_legacy_down_convert(NULL, p, len, magic, r->rd.offset, w);

	switch (rc) {
	case KC_OK:
		return KP_NONE;
	case KC_EUNSUPPORTED:
		return KP_UNSUPPORTED_COMPRESSION_TYPE;
	case KC_EMALFORMED:
	case KC_ECRC:
		return KP_CORRUPT_MESSAGE;
	default:
		return KP_UNKNOWN_SERVER_ERROR;
	}
}

/* All of it dropped: an entry too short to be one makes the client go on. */
static void
filler(struct kc_wr *w)
{
	kc_wr_i64(w, -1);
	kc_wr_i32(w, KC_BATCH_OVERHEAD);
}

static int16_t
down_convert(struct kb_request *req, struct kb_partition_read *r,
    struct kc_records *records, uint8_t **converted)
{
	const struct kc_file_ops *file = req->broker->env->c.file;
	size_t len = (size_t)r->slice.len, got;
	uint8_t *raw = malloc(len);
	struct kc_wr w;
	int16_t code;

	if (raw == NULL)
		return KP_UNKNOWN_SERVER_ERROR;
	kc_wr_init(&w, KC_MAX(len * GROWTH, (size_t)CONVERT_MIN));
	if (file->pread(r->slice.file->fd, raw, len, r->slice.pos, &got) !=
		KC_OK ||
	    got != len) {
		code = KP_KAFKA_STORAGE_ERROR;
	} else {
		code = convert(r, raw, len, req->version <= 1 ? 0 : 1, &w);
		if (code == KP_NONE && w.len == 0)
			filler(&w);
		if (w.err != KC_OK)
			code = KP_UNKNOWN_SERVER_ERROR;
	}
	free(raw);
	if (code != KP_NONE) {
		kc_wr_fini(&w);
		return code;
	}
	*converted = w.p; /* the writer's buffer, now ours */
	*records = (struct kc_records){ .len = (int32_t)w.len, .p = w.p };
	return KP_NONE;
}

int16_t
kb_fetch_old(struct kb_request *req, struct kb_partition *p,
    struct kb_partition_read *r, struct kc_records *records,
    uint8_t **converted)
{
	struct kb_partition_rules rules;

	if (kb_partition_rules(p, &rules) != KP_NONE)
		return KP_NONE; /* what the read said stands */
	if (rules.compression == KB_COMPRESSION_ZSTD)
		return KP_UNSUPPORTED_COMPRESSION_TYPE;
	if (req->version > 3 || r->slice.len == 0)
		return KP_NONE;
	if (!rules.downconversion)
		return KP_UNSUPPORTED_VERSION;
	return down_convert(req, r, records, converted);
}
