/*
 * scan -- batch headers of a log file, one after the other, by pread.
 *
 * A header that cannot be, or a batch that goes on beyond the end, is
 * KC_ECORRUPT; checksums are not looked at.
 */
#ifndef KB_LOG_SCAN_H
#define KB_LOG_SCAN_H

#include "kcommon/io/file.h"
#include "kcommon/record/batch.h"

struct kb_scan {
	const struct kc_file_ops *f;
	int fd;
	int64_t end; /* bytes of the file that count */
	int64_t at; /* what buf holds */
	size_t n;
	uint8_t buf[512];
};

void kb_scan_init(
    struct kb_scan *sc, const struct kc_file_ops *f, int fd, int64_t end);
/*
 * Header of the batch at pos; b->p is valid for the header only and until
 * the next call.  KC_ENOENT at the end.
 */
int kb_scan_head(struct kb_scan *sc, int64_t pos, struct kc_batch *b);

#endif
