#include "kbroker/replica/session.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/lock.h"
#include "kcommon/base/refcount.h"
#include "kcommon/proto/error.h"

#include <uthash.h>
#include <utlist.h>

#define EVICT_UNUSED_MS 120000 /* MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS */
#define EPOCH_INITIAL 0
#define EPOCH_FINAL (-1)

struct kb_session_part {
	struct kb_session_part *prev, *next; /* reading order */
	UT_hash_handle hh; /* key below */
	struct kb_fetch_part ask; /* ask.topic borrows from key */
	unsigned key_len;
	char key[]; /* int32 partition, then id or name */
};

struct kb_session {
	struct kb_session *prev, *next; /* least recently used first */
	UT_hash_handle hh;
	struct kc_ref ref;
	int32_t id;
	/* Guarded by the cache's lock. */
	bool cached; /* still in the cache */
	bool busy;
	int64_t created_ms;
	int64_t used_ms;
	int32_t nparts_seen; /* as of the last end; counted in the cache's */
	/* The busy request's own. */
	bool follower;
	bool by_id;
	int32_t epoch; /* expected next */
	int32_t nparts;
	struct kb_session_part *list;
	struct kb_session_part *hash;
};

struct kb_sessions {
	struct kc_lock lock;
	struct kc_rand *rand;
	int32_t slots;
	int32_t n;
	int64_t nparts; /* sum of nparts_seen */
	struct kb_session *hash; /* by id */
	struct kb_session *lru;
};

int
kb_sessions_open(struct kb_sessions **sp, int32_t slots, struct kc_rand *r)
{
	struct kb_sessions *s = calloc(1, sizeof *s);

	KC_ASSERT(*sp == NULL);
	if (s == NULL)
		return KC_ENOMEM;
	kc_lock_init(&s->lock, 0, "fetch sessions");
	s->rand = r;
	s->slots = slots;
	*sp = s;
	return KC_OK;
}

static void
part_remove(struct kb_session *ses, struct kb_session_part *part)
{
	HASH_DEL(ses->hash, part);
	DL_DELETE(ses->list, part);
	ses->nparts--;
	free(part);
}

static void
session_put(struct kb_session *ses)
{
	struct kb_session_part *part, *tmp;

	if (!kc_ref_put(&ses->ref))
		return;
	HASH_CLEAR(hh, ses->hash);
	DL_FOREACH_SAFE(ses->list, part, tmp)
		free(part);
	free(ses);
}

/* @locks the cache's is held */
static void
uncache(struct kb_sessions *s, struct kb_session *ses)
{
	HASH_DEL(s->hash, ses);
	DL_DELETE(s->lru, ses);
	s->n--;
	s->nparts -= ses->nparts_seen;
	ses->cached = false;
	session_put(ses);
}

void
kb_sessions_close(struct kb_sessions **sp)
{
	struct kb_sessions *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	while (s->lru != NULL)
		uncache(s, s->lru);
	kc_lock_fini(&s->lock);
	free(s);
}

static size_t
key_size(bool by_id, const struct kb_fetch_part *p)
{
	return sizeof p->partition +
	    (by_id ? sizeof p->topic_id.b : (size_t)KC_MAX(p->topic.len, 0));
}

static void
key_fill(char *key, size_t len, bool by_id, const struct kb_fetch_part *p)
{
	size_t n = sizeof p->partition;

	memcpy(key, &p->partition, n);
	if (len > n)
		memcpy(key + n,
		    by_id ? (const void *)p->topic_id.b : p->topic.p, len - n);
}

static struct kb_session_part *
part_find(struct kb_session *ses, const struct kb_fetch_part *p)
{
	char small[300];
	size_t len = key_size(ses->by_id, p);
	char *key = len <= sizeof small ? small : malloc(len);
	struct kb_session_part *part = NULL;

	if (key == NULL)
		return NULL;
	key_fill(key, len, ses->by_id, p);
	HASH_FIND(hh, ses->hash, key, len, part);
	if (key != small)
		free(key);
	return part;
}

/* Add or update one partition; KC_ENOMEM, KC_ELIMIT. */
static int
part_set(struct kb_session *ses, const struct kb_fetch_part *p)
{
	struct kb_session_part *part = part_find(ses, p);
	size_t len = key_size(ses->by_id, p);
	int64_t told_hw, told_log_start;

	if (part == NULL) {
		if (ses->nparts >= KB_SESSION_PARTS_MAX)
			return KC_ELIMIT;
		part = calloc(1, sizeof *part + len);
		if (part == NULL)
			return KC_ENOMEM;
		key_fill(part->key, len, ses->by_id, p);
		part->key_len = (unsigned)len;
		part->ask.told_hw = p->told_hw;
		part->ask.told_log_start = p->told_log_start;
		HASH_ADD_KEYPTR(hh, ses->hash, part->key, part->key_len, part);
		DL_APPEND(ses->list, part);
		ses->nparts++;
	}
	told_hw = part->ask.told_hw;
	told_log_start = part->ask.told_log_start;
	part->ask = *p;
	part->ask.told_hw = told_hw;
	part->ask.told_log_start = told_log_start;
	part->ask.topic = ses->by_id ?
	    KC_STR_NULL :
	    (struct kc_str){ part->key + sizeof p->partition,
		    (int32_t)(len - sizeof p->partition) };
	part->ask.cached = part;
	return KC_OK;
}

/* All partitions of the session in its order, as this fetch's work. */
static int
list_parts(struct kb_session *ses, struct kc_arena *a, struct kb_fetch_ctx *ctx)
{
	struct kb_session_part *part;

	ctx->parts = kc_arena_array(a, (size_t)ses->nparts, sizeof *ctx->parts);
	if (ctx->parts == NULL && ses->nparts > 0)
		return KC_ENOMEM;
	DL_FOREACH(ses->list, part)
		ctx->parts[ctx->nparts++] = part->ask;
	return KC_OK;
}

static int16_t
begin_full(struct kb_sessions *s, const struct kb_session_ask *ask,
    struct kc_arena *a, struct kb_fetch_ctx *ctx)
{
	struct kb_session *old = NULL;
	size_t n = (size_t)ask->nparts;

	if (ask->session_id != 0) { /* a full fetch ends the one it names */
		kc_lock_take(&s->lock);
		HASH_FIND_INT(s->hash, &ask->session_id, old);
		if (old != NULL)
			uncache(s, old);
		kc_lock_drop(&s->lock);
	}
	ctx->create = ask->epoch == EPOCH_INITIAL && ask->nparts > 0 &&
	    ask->nparts <= KB_SESSION_PARTS_MAX;
	ctx->parts = kc_arena_array(a, n, sizeof *ctx->parts);
	if (ctx->parts == NULL && n > 0)
		return KP_UNKNOWN_SERVER_ERROR;
	if (n > 0)
		memcpy(ctx->parts, ask->parts, n * sizeof *ctx->parts);
	ctx->nparts = ask->nparts;
	return KP_NONE;
}

/* Takes the session for this request, or says why not. */
static int16_t
claim(struct kb_sessions *s, int64_t now_ms, const struct kb_session_ask *ask,
    struct kb_fetch_ctx *ctx)
{
	struct kb_session *ses = NULL;
	int16_t code = KP_NONE;

	kc_lock_take(&s->lock);
	HASH_FIND_INT(s->hash, &ask->session_id, ses);
	if (ses == NULL)
		code = KP_FETCH_SESSION_ID_NOT_FOUND;
	else if (ses->busy || ses->epoch != ask->epoch)
		code = KP_INVALID_FETCH_SESSION_EPOCH;
	else if (ses->by_id != ask->by_id)
		code = KP_FETCH_SESSION_TOPIC_ID_ERROR;
	else if (s->nparts + ask->nparts > KB_SESSIONS_PARTS_MAX ||
	    ses->nparts + ask->nparts > KB_SESSION_PARTS_MAX) {
		uncache(s, ses);
		code = KP_FETCH_SESSION_ID_NOT_FOUND;
	}
	if (code == KP_NONE) {
		kc_ref_get(&ses->ref);
		ses->busy = true;
		ses->epoch = ses->epoch == INT32_MAX ? 1 : ses->epoch + 1;
		ses->used_ms = now_ms;
		DL_DELETE(s->lru, ses);
		DL_APPEND(s->lru, ses);
		ctx->session = ses;
	}
	kc_lock_drop(&s->lock);
	return code;
}

static int16_t
begin_incremental(struct kb_sessions *s, int64_t now_ms,
    const struct kb_session_ask *ask, struct kc_arena *a,
    struct kb_fetch_ctx *ctx)
{
	struct kb_session *ses;
	int16_t code = claim(s, now_ms, ask, ctx);

	if (code != KP_NONE)
		return code;
	ses = ctx->session;
	ctx->incremental = true;
	for (int32_t i = 0; i < ask->nparts; i++)
		if (part_set(ses, &ask->parts[i]) != KC_OK)
			return KP_UNKNOWN_SERVER_ERROR;
	for (int32_t i = 0; i < ask->nforgotten; i++) {
		struct kb_session_part *p = part_find(ses, &ask->forgotten[i]);

		if (p != NULL)
			part_remove(ses, p);
	}
	if (ses->nparts == 0) { /* nothing left: go on without a session */
		kc_lock_take(&s->lock);
		if (ses->cached)
			uncache(s, ses);
		kc_lock_drop(&s->lock);
		ctx->incremental = false;
		return KP_NONE;
	}
	return list_parts(ses, a, ctx) == KC_OK ? KP_NONE :
						  KP_UNKNOWN_SERVER_ERROR;
}

int16_t
kb_sessions_begin(struct kb_sessions *s, int64_t now_ms,
    const struct kb_session_ask *ask, struct kc_arena *arena,
    struct kb_fetch_ctx *ctx)
{
	*ctx = (struct kb_fetch_ctx){ .follower = ask->follower,
		.by_id = ask->by_id };
	if (ask->epoch == EPOCH_INITIAL || ask->epoch == EPOCH_FINAL)
		return begin_full(s, ask, arena, ctx);
	return begin_incremental(s, now_ms, ask, arena, ctx);
}

bool
kb_fetch_ctx_include(struct kb_fetch_ctx *ctx, struct kb_fetch_part *part,
    bool has_records, bool must, int64_t hw, int64_t log_start)
{
	struct kb_session_part *c = part->cached;
	bool news;

	news = has_records || must || hw != part->told_hw ||
	    log_start != part->told_log_start;
	part->told_hw = must ? -1 : hw; /* an error is told again */
	part->told_log_start = log_start;
	if (!ctx->incremental || c == NULL)
		return true;
	c->ask.told_hw = part->told_hw;
	c->ask.told_log_start = part->told_log_start;
	if (has_records) { /* others come first next time */
		DL_DELETE(ctx->session->list, c);
		DL_APPEND(ctx->session->list, c);
	}
	return news;
}

/* May this one make room for a session of nparts?  Kafka's EvictableKey. */
static bool
evictable(
    const struct kb_session *old, int64_t now_ms, bool follower, int32_t nparts)
{
	if (old->busy)
		return false;
	if (now_ms - old->used_ms > EVICT_UNUSED_MS)
		return true;
	if (old->follower != follower)
		return follower;
	if (now_ms - old->created_ms <= EVICT_UNUSED_MS)
		return false;
	return old->nparts_seen < nparts;
}

/* @locks the cache's is held */
static bool
make_room(struct kb_sessions *s, int64_t now_ms, bool follower, int32_t nparts)
{
	struct kb_session *old;

	if (s->nparts + nparts > KB_SESSIONS_PARTS_MAX)
		return false;
	if (s->n < s->slots)
		return true;
	DL_FOREACH(s->lru, old) {
		if (evictable(old, now_ms, follower, nparts)) {
			uncache(s, old);
			return true;
		}
	}
	return false;
}

static struct kb_session *
session_new(struct kb_fetch_ctx *ctx, int64_t now_ms)
{
	struct kb_session *ses = calloc(1, sizeof *ses);

	if (ses == NULL)
		return NULL;
	kc_ref_init(&ses->ref);
	ses->follower = ctx->follower;
	ses->by_id = ctx->by_id;
	ses->epoch = EPOCH_INITIAL + 1;
	ses->created_ms = ses->used_ms = now_ms;
	for (int32_t i = 0; i < ctx->nparts; i++) {
		if (part_set(ses, &ctx->parts[i]) != KC_OK) {
			session_put(ses);
			return NULL;
		}
	}
	ses->nparts_seen = ses->nparts;
	return ses;
}

int32_t
kb_sessions_finish(
    struct kb_sessions *s, int64_t now_ms, struct kb_fetch_ctx *ctx)
{
	struct kb_session *ses, *clash;
	int32_t id = 0;

	if (ctx->incremental)
		return ctx->session->id;
	if (!ctx->create || (ses = session_new(ctx, now_ms)) == NULL)
		return 0;
	kc_lock_take(&s->lock);
	if (make_room(s, now_ms, ctx->follower, ses->nparts)) {
		do {
			ses->id =
			    (int32_t)kc_rand_below(s->rand, INT32_MAX - 1);
			ses->id += 1;
			HASH_FIND_INT(s->hash, &ses->id, clash);
		} while (clash != NULL);
		HASH_ADD_INT(s->hash, id, ses);
		DL_APPEND(s->lru, ses);
		ses->cached = true;
		s->n++;
		s->nparts += ses->nparts;
		id = ses->id;
	}
	kc_lock_drop(&s->lock);
	if (id == 0)
		session_put(ses);
	return id;
}

void
kb_fetch_ctx_end(struct kb_sessions *s, struct kb_fetch_ctx *ctx)
{
	struct kb_session *ses = ctx->session;

	ctx->session = NULL;
	if (ses == NULL)
		return;
	kc_lock_take(&s->lock);
	ses->busy = false;
	if (ses->cached)
		s->nparts += ses->nparts - ses->nparts_seen;
	ses->nparts_seen = ses->nparts;
	kc_lock_drop(&s->lock);
	session_put(ses);
}

void
kb_sessions_count(struct kb_sessions *s, int32_t *nsessions, int64_t *nparts)
{
	kc_lock_take(&s->lock);
	*nsessions = s->n;
	*nparts = s->nparts;
	kc_lock_drop(&s->lock);
}
