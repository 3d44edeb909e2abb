/*
 * DescribeLogDirs (35): what lies in each log dir.
 *
 * On the control thread: it looks at every log and asks the file systems.
 */
#include "kbroker/api/api.h"
#include "kbroker/api/control.h"
#include "kbroker/api/tp.h"
#include "kbroker/core.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"

#include <stdlib.h>

struct found { /* one log */
	int dir; /* as kb_log_dirs_info() counts */
	struct kc_str topic;
	int32_t index;
	int64_t size;
};

struct look {
	struct kb_request *req;
	bool all;
	struct kb_tp *asked; /* sorted */
	size_t nasked;
	struct found *v;
	int32_t n, cap; /* cap: logs when they were counted */
	bool failed; /* the arena is full */
};

static int
by_place(const void *a, const void *b)
{
	const struct found *x = a, *y = b;
	struct kb_tp p = { x->topic, x->index }, q = { y->topic, y->index };

	return x->dir != y->dir ? x->dir - y->dir : kb_tp_cmp(&p, &q);
}

static bool
collect_asked(struct look *l)
{
	const struct kp_describe_log_dirs_req *in = l->req->msg;
	size_t n = 0;

	l->all = in->topics.n < 0;
	for (int32_t i = 0; i < in->topics.n; i++)
		n += (size_t)KC_MAX(in->topics.v[i].partitions.n, 0);
	l->asked = kc_arena_array(&l->req->arena, n, sizeof *l->asked);
	if (l->asked == NULL && n > 0)
		return false;
	for (int32_t i = 0; i < in->topics.n; i++)
		for (int32_t j = 0; j < in->topics.v[i].partitions.n; j++)
			l->asked[l->nasked++] =
			    (struct kb_tp){ in->topics.v[i].topic,
				    in->topics.v[i].partitions.v[j] };
	kb_tp_sort(l->asked, n);
	return true;
}

static int
count(void *arg, struct kb_log *log KC_UNUSED)
{
	struct look *l = arg;

	l->cap++;
	return 0;
}

static int
dir_of(struct kb_log_dirs *dirs, const struct kb_log *log)
{
	struct kb_log_dir_info info;

	for (int i = 0; i < kb_log_dirs_count(dirs); i++) {
		kb_log_dirs_info(dirs, i, &info);
		if (strcmp(info.path, kb_log_dir_path(log)) == 0)
			return i;
	}
	return -1;
}

static int
collect(void *arg, struct kb_log *log)
{
	struct look *l = arg;
	struct kc_str topic = kc_str(kb_log_topic(log));
	int32_t index = kb_log_partition(log);
	struct found *f;

	if (l->n == l->cap) /* made meanwhile */
		return 1;
	if (!l->all && !kb_tp_has(l->asked, l->nasked, topic, index))
		return 0;
	f = &l->v[l->n++];
	f->topic = kc_arena_str(&l->req->arena, topic);
	f->index = index;
	f->size = kb_log_size(log);
	f->dir = dir_of(l->req->broker->dirs, log);
	l->failed = f->topic.p == NULL;
	return l->failed;
}

/* v[0..n) are of one dir. */
static bool
put_topics(struct kc_arena *a, const struct found *v, int32_t n,
    struct kp_describe_log_dirs_result *out)
{
	int32_t topics = 0, at = 0;

	for (int32_t i = 0; i < n; i++)
		topics += i == 0 || !kc_str_eq(v[i].topic, v[i - 1].topic);
	if (!KP_ARRAY(a, &out->topics, describe_log_dirs_topic, topics))
		return false;
	for (int32_t t = 0; t < topics; t++) {
		struct kp_describe_log_dirs_topic *to = &out->topics.v[t];
		int32_t end = at + 1;

		while (end < n && kc_str_eq(v[end].topic, v[at].topic))
			end++;
		to->name = v[at].topic;
		if (!KP_ARRAY(a, &to->partitions, describe_log_dirs_partition,
			end - at))
			return false;
		/* No log here is a copy that has yet to catch up: no lag. */
		for (int32_t i = 0; at < end; i++, at++) {
			to->partitions.v[i].partition_index = v[at].index;
			to->partitions.v[i].partition_size = v[at].size;
		}
	}
	return true;
}

static bool
put_dirs(struct look *l)
{
	struct kp_describe_log_dirs_resp *out = l->req->resp;
	struct kb_log_dirs *dirs = l->req->broker->dirs;
	int32_t at = 0, ndirs = kb_log_dirs_count(dirs);

	if (!KP_ARRAY(
		&l->req->arena, &out->results, describe_log_dirs_result, ndirs))
		return false;
	while (at < l->n && l->v[at].dir < 0)
		at++;
	for (int32_t i = 0; i < ndirs; i++) {
		struct kp_describe_log_dirs_result *o = &out->results.v[i];
		struct kb_log_dir_info info;
		int32_t end = at;

		while (end < l->n && l->v[end].dir == i)
			end++;
		kb_log_dirs_info(dirs, i, &info);
		o->log_dir = kc_str(info.path);
		if (info.offline) {
			o->error_code = KP_KAFKA_STORAGE_ERROR;
		} else {
			o->total_bytes = info.total_bytes;
			o->usable_bytes = info.usable_bytes;
			if (!put_topics(&l->req->arena, l->v + at, end - at, o))
				return false;
		}
		at = end;
	}
	return true;
}

static void
describe_log_dirs(struct kb_request *req)
{
	struct kb_log_dirs *dirs = req->broker->dirs;
	struct look l = { .req = req };

	(void)kb_log_dirs_each(dirs, count, &l);
	l.v = kc_arena_array(&req->arena, (size_t)l.cap, sizeof *l.v);
	if ((l.v == NULL && l.cap > 0) || !collect_asked(&l)) {
		req->outcome = KB_CLOSE;
		return;
	}
	(void)kb_log_dirs_each(dirs, collect, &l);
	if (l.n > 0)
		qsort(l.v, (size_t)l.n, sizeof *l.v, by_place);
	if (l.failed || !put_dirs(&l))
		req->outcome = KB_CLOSE;
}

enum kb_disposition
kb_api_describe_log_dirs(
    struct kb_request *req, const void *msg KC_UNUSED, void *resp KC_UNUSED)
{
	return kb_api_on_control(req, describe_log_dirs);
}
