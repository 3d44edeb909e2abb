/* Who may remove or replace the closed segments of a log. */
#include "kbroker/log/log_priv.h"
#include "kcommon/base/assert.h"

bool
kb_log_turn_take(struct kb_log *log)
{
	bool yes;

	kc_lock_take(&log->lock);
	yes = !log->turn && !kb_log_barred(log) && kb_log_usable(log);
	if (yes)
		log->turn = true;
	kc_lock_drop(&log->lock);
	return yes;
}

void
kb_log_turn_drop(struct kb_log *log)
{
	kc_lock_take(&log->lock);
	KC_ASSERT(log->turn);
	log->turn = false;
	kc_cond_broadcast(&log->turn_over);
	kc_lock_drop(&log->lock);
}

void
kb_log_bar(struct kb_log *log)
{
	kc_lock_take(&log->lock);
	atomic_fetch_add(&log->barred, 1);
	while (log->turn)
		kc_cond_wait(&log->turn_over, &log->lock);
	kc_lock_drop(&log->lock);
}

void
kb_log_unbar(struct kb_log *log)
{
	kc_lock_take(&log->lock);
	atomic_fetch_sub(&log->barred, 1);
	kc_lock_drop(&log->lock);
}
