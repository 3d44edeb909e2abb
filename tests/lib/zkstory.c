#include "tests/lib/zkstory.h"

#include <stdio.h>

struct start {
	struct kt_zkstory t;
	void (*story)(struct kt_zkstory *t);
};

static void
tell(void *arg)
{
	struct start *s = arg;

	s->story(&s->t);
	kc_loop_stop(s->t.loop);
}

int
kt_zkstory_run(int argc, char **argv, void (*story)(struct kt_zkstory *t))
{
	struct start s = { .story = story };
	char log[KT_PATH + 32];

	kt_proxy_main(argc, argv);
	s.t.c = kt_cluster_prepare(0, NULL);
	s.t.env.clock = &kc_clock_system;
	snprintf(log, sizeof log, "%s/proxy.log", s.t.c->dir);
	kt_proxy_start(&s.t.proxy, s.t.c->zk_port, log);
	KT_OK(kc_loop_open(&s.t.loop, &s.t.env, "test"));
	KT_OK(kc_fiber_start(s.t.loop, tell, &s));
	KT_OK(kc_loop_run(s.t.loop));
	KT_OK(kc_loop_step(s.t.loop, 0));
	kc_loop_close(&s.t.loop);
	kt_proxy_stop(&s.t.proxy);
	kt_cluster_stop(&s.t.c);
	return 0;
}

struct kzk_params
kt_zkstory_params(struct kt_zkstory *t, char *connect, size_t cap,
    const char *root, bool by_proxy)
{
	snprintf(connect, cap, "127.0.0.1:%d%s",
	    by_proxy ? t->proxy.port : t->c->zk_port, root);
	return (struct kzk_params){
		.loop = t->loop,
		.connect = connect,
		.session_timeout_ms = 2000,
		.connection_timeout_ms = 20000,
		.max_in_flight = 10,
	};
}

struct kzk *
kt_zkstory_open(struct kt_zkstory *t, const char *root, bool by_proxy)
{
	char connect[128];
	struct kzk_params p =
	    kt_zkstory_params(t, connect, sizeof connect, root, by_proxy);
	struct kzk *zk = NULL;

	KT_OK(kzk_open_wait(&zk, &p));
	KT_CHECK(kzk_connected(zk));
	return zk;
}
