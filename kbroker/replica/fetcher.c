#include "kbroker/replica/fetcher.h"

#include "kbroker/config.h"
#include "kbroker/replica/source.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/base/thread.h"

#include <stdio.h>
#include <stdlib.h>

#define LOGGER "kafka.server.ReplicaFetcherManager"

struct kb_fetchers {
	struct kb_fetchers_params p;
	int n;
	struct kb_fetcher v[];
};

struct order { /* from the control thread */
	struct kc_task task;
	struct kb_fetcher *f;
	struct kb_partition *p; /* own reference */
	int32_t leader; /* -1: leave */
	int32_t leader_epoch;
};

/* Java's String.hashCode() and Math.abs(), to spread as Kafka does. */
static struct kb_fetcher *
fetcher_of(struct kb_fetchers *f, const struct kb_partition *p)
{
	uint32_t h = 0;
	int32_t v;

	for (const char *s = p->topic; *s != '\0'; s++)
		h = 31 * h + (uint8_t)*s;
	v = (int32_t)(31 * h + (uint32_t)p->index);
	if (v < 0)
		v = v == INT32_MIN ? 0 : -v;
	return &f->v[v % f->n];
}

static struct kb_source *
source_of(struct kb_fetcher *f, int32_t broker)
{
	struct kb_source *src;

	HASH_FIND_INT(f->sources, &broker, src);
	if (src == NULL && (src = kb_source_new(f, broker)) != NULL)
		HASH_ADD_INT(f->sources, broker, src);
	return src;
}

/* A leader that nothing is copied from any more goes, with its channel. */
static void
tidy(struct kb_source *src)
{
	if (src->by_names != NULL) {
		kb_source_pump(src);
		return;
	}
	HASH_DEL(src->f->sources, src);
	kb_source_free(src);
}

static void
begin_copy(struct order *o)
{
	struct kb_source *src = source_of(o->f, o->leader);

	if (src != NULL && kb_source_add(src, o->p, o->leader_epoch) == KC_OK)
		o->p = NULL;
	else /* as after a failed disk: it stands until there are news */
		kc_log(KC_LOG_ERROR, LOGGER,
		    "[ReplicaFetcherManager on broker %d] Out of memory: %s-%d "
		    "is not copied",
		    o->f->p->broker_id, o->p->topic, o->p->index);
	if (src != NULL)
		tidy(src);
}

static void
obey(struct kc_task *task)
{
	struct order *o = KC_CONTAINER(task, struct order, task);
	struct kb_source *old = NULL;
	struct kb_copy *c;

	HASH_FIND_PTR(o->f->copies, &o->p, c);
	if (c != NULL) {
		old = c->src;
		kb_source_remove(c);
	}
	if (o->leader >= 0)
		begin_copy(o);
	if (old != NULL && (o->leader < 0 || old->broker != o->leader))
		tidy(old);
	kb_partition_put(&o->p);
	free(o);
}

static int
post(struct kb_fetchers *f, struct kb_partition *p, int32_t leader,
    int32_t leader_epoch)
{
	struct order *o = calloc(1, sizeof *o);

	if (o == NULL)
		return KC_ENOMEM;
	o->task.fn = obey;
	o->f = fetcher_of(f, p);
	o->p = kb_partition_get(p);
	o->leader = leader;
	o->leader_epoch = leader_epoch;
	kc_loop_post(o->f->loop, &o->task);
	return KC_OK;
}

int
kb_fetchers_follow(struct kb_fetchers *f, struct kb_partition *p,
    int32_t leader, int32_t leader_epoch)
{
	KC_ASSERT(leader >= 0);
	kc_log(KC_LOG_INFO, LOGGER,
	    "[ReplicaFetcherManager on broker %d] %s-%d is copied from broker "
	    "%d, leader epoch %d",
	    f->p.broker_id, p->topic, p->index, leader, leader_epoch);
	return post(f, p, leader, leader_epoch);
}

void
kb_fetchers_leave(struct kb_fetchers *f, struct kb_partition *p)
{
	/* Out of memory: the fence of the partition holds it off. */
	(void)post(f, p, -1, -1);
}

static void
on_news(struct kc_task *task)
{
	struct kb_fetcher *f = KC_CONTAINER(task, struct kb_fetcher, news);
	struct kb_source *src, *tmp;

	atomic_store(&f->news_posted, false);
	HASH_ITER(hh, f->sources, src, tmp)
		if (src->missing) {
			src->not_before_ms = 0;
			kb_source_pump(src);
		}
}

void
kb_fetchers_news(struct kb_fetchers *f)
{
	for (int i = 0; i < f->n; i++)
		if (!atomic_exchange(&f->v[i].news_posted, true))
			kc_loop_post(f->v[i].loop, &f->v[i].news);
}

static void
thread_main(void *arg)
{
	struct kb_fetcher *f = arg;

	(void)kc_loop_run(f->loop);
}

/* The last task of the loop: orders before it have been obeyed. */
static void
on_stop(struct kc_task *task)
{
	struct kb_fetcher *f = KC_CONTAINER(task, struct kb_fetcher, stop);
	struct kb_source *src, *tmp;
	struct kb_copy *c, *ctmp;

	HASH_ITER(hh, f->sources, src, tmp)
		src->closing = true;
	HASH_ITER(hh, f->copies, c, ctmp)
		kb_source_remove(c);
	HASH_ITER(hh, f->sources, src, tmp) {
		HASH_DEL(f->sources, src);
		kb_source_free(src);
	}
	kc_loop_stop(f->loop);
}

int
kb_fetchers_open(struct kb_fetchers **fp, const struct kb_fetchers_params *p)
{
	int n = KC_MAX(p->config->num_replica_fetchers, 1), rc = KC_OK;
	struct kb_fetchers *f =
	    calloc(1, sizeof *f + (size_t)n * sizeof f->v[0]);

	KC_ASSERT(*fp == NULL);
	if (f == NULL)
		return KC_ENOMEM;
	f->p = *p;
	f->n = n;
	*fp = f;
	for (int i = 0; i < n && rc == KC_OK; i++) {
		struct kb_fetcher *t = &f->v[i];

		t->p = &f->p;
		t->index = i;
		t->stop.fn = on_stop;
		t->news.fn = on_news;
		snprintf(t->client_id, sizeof t->client_id,
		    "broker-%d-fetcher-%d", p->broker_id, i);
		rc = kc_loop_open(&t->loop, p->env, "fetch");
		if (rc == KC_OK)
			rc = kc_thread_start(
			    &t->thread, "fetch", thread_main, t);
	}
	if (rc != KC_OK)
		kb_fetchers_close(fp);
	return rc;
}

void
kb_fetchers_close(struct kb_fetchers **fp)
{
	struct kb_fetchers *f = *fp;

	*fp = NULL;
	if (f == NULL)
		return;
	for (int i = 0; i < f->n; i++)
		if (f->v[i].thread != NULL)
			kc_loop_post(f->v[i].loop, &f->v[i].stop);
	for (int i = 0; i < f->n; i++) {
		kc_thread_join(&f->v[i].thread);
		if (f->v[i].loop != NULL)
			kc_loop_close(&f->v[i].loop);
	}
	free(f);
}
