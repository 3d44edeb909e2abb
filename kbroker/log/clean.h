/*
 * clean -- compacts one log: of each key only the newest record stays.
 *
 * The dirty part is read for keys and their newest offsets; then all closed
 * segments below it are copied, group by group, without what is obsolete,
 * and each copy takes the place of its group.  Appends and reads go on; the
 * log's locks are held for the change of the segment list only.
 *
 * Kafka: Cleaner.
 *
 * @thread clean, with the turn of the log (kb_log_turn_take)
 */
#ifndef KB_LOG_CLEAN_H
#define KB_LOG_CLEAN_H

#include "kbroker/log/clean_choice.h"
#include "kbroker/log/log.h"

/* What the cleaner gives to one compaction. */
struct kb_clean_means {
	size_t buffer; /* bytes to read at a time, and to write */
	size_t map_bytes;
	double map_load;
	void *arg;
	/*
	 * n bytes were read or written: waits as long as the limit wants.
	 * KC_ECANCELED: give up.
	 */
	int (*spent)(void *arg, struct kb_log *log, size_t n);
	/* A replaced segment was renamed to .deleted. */
	void (*discard)(void *arg, struct kb_log *log, int64_t base);
};

struct kb_clean_stats {
	int64_t end; /* everything below is compacted now */
	int64_t read; /* bytes, while copying */
	int64_t written;
	int64_t map_read; /* bytes, while building the map */
	int64_t records;
	int64_t kept;
	int64_t keys;
	int64_t slots;
	int groups;
};

/* How far log could be compacted now. */
int kb_clean_look(struct kb_log *log, struct kb_clean_range *r);

/*
 * Compacts the log up to at most r->limit and sets what kb_clean_look() asks
 * for.  KC_OK; KC_ECANCELED (barred, or spent() said so) and KC_ENOSPC,
 * KC_ENOMEM, KC_EMFILE leave the log whole, some groups perhaps done;
 * KC_ECORRUPT, KC_ECRC, KC_EMALFORMED, KC_EUNSUPPORTED and KC_ELIMIT are
 * about its content and would come again; KC_EINVAL (too little memory for a
 * map); KC_EIO, KC_EOFFLINE.
 */
int kb_clean(struct kb_log *log, const struct kb_clean_range *r,
    const struct kb_clean_means *means, struct kb_clean_stats *st);

#endif
