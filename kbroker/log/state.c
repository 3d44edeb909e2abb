/* Offsets, configuration, epochs and producers of log.h. */
#include "kbroker/log/log_priv.h"
#include "kbroker/log/partition_metadata.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"

#include <stdio.h>
#include <stdlib.h>

const char *
kb_log_topic(const struct kb_log *log)
{
	return log->topic;
}

int32_t
kb_log_partition(const struct kb_log *log)
{
	return log->partition;
}

const char *
kb_log_name(const struct kb_log *log)
{
	return log->pl.folder;
}

const char *
kb_log_dir_path(const struct kb_log *log)
{
	return log->host->path;
}

bool
kb_log_offline(const struct kb_log *log)
{
	return !kb_log_usable(log);
}

int64_t
kb_log_start(const struct kb_log *log)
{
	return atomic_load_explicit(&log->start, memory_order_acquire);
}

int64_t
kb_log_end(const struct kb_log *log)
{
	return atomic_load_explicit(&log->end, memory_order_acquire);
}

int64_t
kb_log_hw(const struct kb_log *log)
{
	return atomic_load_explicit(&log->hw, memory_order_acquire);
}

int64_t
kb_log_lso(const struct kb_log *log)
{
	return atomic_load_explicit(&log->lso, memory_order_acquire);
}

void
kb_log_bounds(struct kb_log *log, struct kb_log_bounds *b)
{
	kc_lock_take(&log->lock);
	b->start = log->start;
	b->lso = log->lso;
	b->hw = log->hw;
	b->end = log->end;
	b->recovery_point = log->recovery_point;
	kc_lock_drop(&log->lock);
}

int64_t
kb_log_size(struct kb_log *log)
{
	int64_t sum = 0;
	int i;

	kc_lock_take(&log->lock);
	for (i = 0; i < log->nseg; i++)
		sum += log->seg[i]->size;
	kc_lock_drop(&log->lock);
	return sum;
}

int
kb_log_segments(struct kb_log *log)
{
	int n;

	kc_lock_take(&log->lock);
	n = log->nseg;
	kc_lock_drop(&log->lock);
	return n;
}

void
kb_log_update_lso(struct kb_log *log)
{
	int64_t first = kb_producers_first_unstable(&log->ps);
	int64_t lso = log->hw;

	if (first >= 0)
		lso = KC_MIN(lso, KC_MAX(first, log->start));
	atomic_store_explicit(&log->lso, lso, memory_order_release);
}

bool
kb_log_set_hw(struct kb_log *log, int64_t hw)
{
	bool changed;

	kc_lock_take(&log->lock);
	hw = KC_MIN(KC_MAX(hw, log->start), log->end);
	changed = hw != log->hw;
	if (changed) {
		atomic_store_explicit(&log->hw, hw, memory_order_release);
		kb_producers_hw(&log->ps, hw);
		kb_log_update_lso(log);
	}
	kc_lock_drop(&log->lock);
	return changed;
}

int
kb_log_raise_start(struct kb_log *log, int64_t offset)
{
	int rc = KC_OK;

	kc_lock_take(&log->write);
	kc_lock_take(&log->lock);
	if (!kb_log_usable(log)) {
		rc = KC_EOFFLINE;
	} else if (offset > log->hw) {
		rc = KC_ERANGE;
	} else if (offset > log->start) {
		atomic_store(&log->start, offset);
		kb_epochs_cut_start(&log->ep, offset);
		kb_producers_start(&log->ps, offset);
		kb_log_update_lso(log);
		if (log->ep.dirty)
			kb_log_kick(log, KB_WORK_EPOCHS);
	}
	kc_lock_drop(&log->lock);
	kc_lock_drop(&log->write);
	return rc;
}

void
kb_log_set_config(struct kb_log *log, const struct kb_log_config *lc)
{
	kc_lock_take(&log->write);
	kc_lock_take(&log->lock);
	log->cfg = *lc;
	kc_lock_drop(&log->lock);
	kc_lock_drop(&log->write);
}

void
kb_log_get_config(struct kb_log *log, struct kb_log_config *lc)
{
	kc_lock_take(&log->lock);
	*lc = log->cfg;
	kc_lock_drop(&log->lock);
}

void
kb_log_topic_id(struct kb_log *log, struct kc_uuid *id)
{
	kc_lock_take(&log->lock);
	*id = log->topic_id;
	kc_lock_drop(&log->lock);
}

int
kb_log_set_topic_id(struct kb_log *log, const struct kc_uuid *id)
{
	struct kc_uuid have;
	int rc;

	if (!kb_log_usable(log))
		return KC_EOFFLINE;
	kb_log_topic_id(log, &have);
	if (kc_uuid_eq(&have, id))
		return KC_OK;
	if (!kc_uuid_is_zero(&have) || kc_uuid_is_zero(id))
		return KC_EINVAL;
	/* Once in the life of a log, and before it holds data of this id. */
	rc = kb_partition_metadata_write(
	    log->pl.f, log->pl.dirfd, log->pl.folder, id);
	if (rc != KC_OK)
		return kb_log_disk(log, rc, "writing partition.metadata");
	kc_lock_take(&log->write);
	kc_lock_take(&log->lock);
	log->topic_id = *id;
	kc_lock_drop(&log->lock);
	kc_lock_drop(&log->write);
	return KC_OK;
}

int
kb_log_assign_epoch(struct kb_log *log, int32_t epoch, int64_t offset)
{
	int rc;

	kc_lock_take(&log->write);
	kc_lock_take(&log->lock);
	rc = kb_log_usable(log) ? kb_epochs_assign(&log->ep, epoch, offset) :
				  KC_EOFFLINE;
	if (log->ep.dirty)
		kb_log_kick(log, KB_WORK_EPOCHS);
	kc_lock_drop(&log->lock);
	kc_lock_drop(&log->write);
	return rc;
}

int32_t
kb_log_latest_epoch(struct kb_log *log)
{
	int32_t epoch;

	kc_lock_take(&log->lock);
	epoch = kb_epochs_latest(&log->ep);
	kc_lock_drop(&log->lock);
	return epoch;
}

void
kb_log_epoch_end(
    struct kb_log *log, int32_t epoch, int32_t *found, int64_t *end)
{
	kc_lock_take(&log->lock);
	kb_epochs_end(&log->ep, epoch, log->end, found, end);
	kc_lock_drop(&log->lock);
}

int32_t
kb_log_epoch_at(struct kb_log *log, int64_t offset)
{
	int32_t epoch;

	kc_lock_take(&log->lock);
	epoch = kb_epochs_at(&log->ep, offset);
	kc_lock_drop(&log->lock);
	return epoch;
}

int
kb_log_producers(struct kb_log *log, struct kb_producer_info **v, int *n)
{
	const struct kb_producer *p;
	struct kb_producer_info *info;
	size_t count;

	*v = NULL;
	*n = 0;
	kc_lock_take(&log->lock);
	count = HASH_COUNT(log->ps.map);
	info = calloc(count == 0 ? 1 : count, sizeof *info);
	for (p = log->ps.map; info != NULL && p != NULL; p = p->hh.next) {
		if (p->epoch < 0)
			continue;
		info[*n].producer_id = p->id;
		info[*n].epoch = p->epoch;
		info[*n].last_seq =
		    p->nbatches > 0 ? p->batch[p->nbatches - 1].last_seq : -1;
		info[*n].last_timestamp = p->last_timestamp;
		info[*n].coordinator_epoch = p->coordinator_epoch;
		info[(*n)++].txn_start = p->txn_first;
	}
	kc_lock_drop(&log->lock);
	*v = info;
	return info == NULL ? KC_ENOMEM : KC_OK;
}

bool
kb_log_txn_open(struct kb_log *log, int64_t producer_id)
{
	const struct kb_producer *p;
	bool open;

	kc_lock_take(&log->lock);
	p = kb_producers_find(&log->ps, producer_id);
	open = p != NULL && p->txn_first >= 0;
	kc_lock_drop(&log->lock);
	return open;
}

int
kb_log_verify_start(struct kb_log *log, int64_t producer_id, int16_t epoch,
    int32_t first_seq, uint64_t *guard)
{
	int64_t now = kb_log_now_ms(log);
	int rc;

	kc_lock_take(&log->write);
	kc_lock_take(&log->lock);
	rc = kb_producers_verify(
	    &log->ps, producer_id, epoch, first_seq, now, guard);
	kc_lock_drop(&log->lock);
	kc_lock_drop(&log->write);
	return rc;
}
