#include "kbroker/rpc/rpc.h"
#include "kcommon/base/clock.h"
#include "kcommon/base/err.h"
#include "kcommon/io/fiber.h"
#include "kcommon/proto/kp.h"
#include "tests/unit/net/server.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct kt_server s;
static struct kc_loop *loop;
static struct kb_rpc *rpc;

static void
setup(void)
{
	struct kb_net_params p = kt_params();

	kt_server_open(&s, &p);
	loop = NULL;
	rpc = NULL;
	cr_assert_eq(kc_loop_open(&loop, &kt_env, "rpc"), KC_OK);
}

static void
teardown(void)
{
	kb_rpc_close(&rpc);
	kc_loop_close(&loop);
	kt_server_close(&s);
}

TestSuite(kb_rpc, .init = setup, .fini = teardown, .timeout = 30);

static void
open_rpc(const char *host, int port, struct kc_tls *tls, int64_t timeout_ms,
    int inflight)
{
	struct kb_rpc_params p = {
		.host = host,
		.port = port,
		.tls = tls,
		.client_id = "test",
		.timeout_ms = timeout_ms,
		.inflight_max = inflight,
		.backoff_ms = 20,
	};

	cr_assert_eq(kb_rpc_open(&rpc, loop, &p), KC_OK);
}

struct result {
	int done;
	int err;
	char text[64];
	bool close; /* close the channel in done() */
	const char *again; /* call again in done() */
};

static int order[32], norder; /* results by their number */
static struct result results[32];

static void
on_done(struct kb_rpc_call *call)
{
	const struct kp_find_coordinator_resp *resp = call->resp;
	struct result *r = call->arg;
	struct kp_find_coordinator_req req;

	r->done++;
	r->err = call->err;
	order[norder++] = (int)(r - results);
	cr_assert_eq(resp != NULL, call->err == KC_OK);
	if (resp != NULL)
		snprintf(
		    r->text, sizeof r->text, "%.*s", KC_STR_ARG(resp->host));
	if (r->again != NULL) {
		kp_init(kp_desc_find_coordinator_req(), &req);
		req.key = kc_str(r->again);
		r->again = NULL;
		r->done--;
		cr_assert_eq(
		    kb_rpc_call(rpc, call->api, 1, &req, on_done, r), KC_OK);
	}
	if (r->close)
		kb_rpc_close(&rpc);
}

static void
ask(int i, const char *text)
{
	struct kp_find_coordinator_req req;

	kp_init(kp_desc_find_coordinator_req(), &req);
	req.key = kc_str(text);
	memset(&results[i], 0, sizeof results[i]);
	cr_assert_eq(kb_rpc_call(rpc, kp_api_get(kp_key_find_coordinator), 1,
			 &req, on_done, &results[i]),
	    KC_OK);
	cr_assert_eq(results[i].done, 0);
}

static void
wait_for(int i)
{
	while (results[i].done == 0)
		cr_assert_eq(kc_loop_step(loop, -1), KC_OK);
	cr_assert_eq(results[i].done, 1);
}

static void
expect(int i, int err, const char *text)
{
	wait_for(i);
	cr_assert_eq(results[i].err, err, "%d: %s (%s)", i,
	    kc_strerror(results[i].err),
	    rpc != NULL ? kb_rpc_err_text(rpc) : "");
	cr_assert_str_eq(results[i].text, text);
}

/* Goal: nobody there, nobody of that name, and nobody who speaks TLS. */
Test(kb_rpc, cannot_connect)
{
	struct kc_tls *tls = kt_client_tls(&s.certs, s.certs.ca, false);

	open_rpc("127.0.0.1", 1, NULL, 5000, 1);
	ask(0, "x");
	ask(1, "y");
	expect(0, KC_ECONNREFUSED, "");
	expect(1, KC_ECONNREFUSED, "");
	/* Waits for the back-off, and fails anew. */
	ask(2, "x");
	expect(2, KC_ECONNREFUSED, "");
	kb_rpc_close(&rpc);
	open_rpc("no.such.host.invalid", 9092, NULL, 5000, 1);
	ask(0, "x");
	expect(0, KC_ENETWORK, "");
	cr_assert_not_null(strstr(kb_rpc_err_text(rpc), "resolve"));
	kb_rpc_close(&rpc);
	open_rpc("127.0.0.1", s.plain, tls, 5000, 1);
	ask(0, "x");
	wait_for(0);
	cr_assert_neq(results[0].err, KC_OK);
	kb_rpc_close(&rpc);
	open_rpc("127.0.0.1", s.tls, NULL, 5000, 1);
	ask(0, "x");
	wait_for(0);
	cr_assert_neq(results[0].err, KC_OK);
	kc_tls_put(&tls);
}

Test(kb_rpc, certificates)
{
	struct kc_tls *good = kt_client_tls(&s.certs, s.certs.ca, true);
	struct kc_tls *bad = kt_client_tls(&s.certs, s.certs.other_ca, true);

	open_rpc("localhost", s.mtls, good, 5000, 1);
	ask(0, "who");
	expect(0, KC_OK, "User:CN=client,OU=Tests,O=KB");
	kb_rpc_close(&rpc);
	open_rpc("127.0.0.1", s.tls, good, 5000, 1);
	ask(0, "where");
	expect(0, KC_OK, "SSL");
	kb_rpc_close(&rpc);
	open_rpc("127.0.0.1", s.tls, bad, 5000, 1);
	ask(0, "x");
	expect(0, KC_ETLS, "");
	cr_assert_not_null(strstr(kb_rpc_err_text(rpc), "certificate"), "%s",
	    kb_rpc_err_text(rpc));
	kb_rpc_close(&rpc);
	/* The certificate names localhost and 127.0.0.1 only. */
	open_rpc("127.0.0.2", s.mtls, good, 5000, 1);
	ask(0, "x");
	expect(0, KC_ETLS, "");
	cr_assert_not_null(strstr(kb_rpc_err_text(rpc), "mismatch"), "%s",
	    kb_rpc_err_text(rpc));
	kc_tls_put(&good);
	kc_tls_put(&bad);
}

/* Goal: in order, one or some at a time; calls from within done(). */
Test(kb_rpc, order)
{
	char text[8];
	int round, i;

	for (round = 0; round < 2; round++) {
		open_rpc("localhost", s.plain, NULL, 5000, round * 4 + 1);
		norder = 0;
		for (i = 0; i < 20; i++) {
			snprintf(text, sizeof text, "%d", i);
			ask(i, i == 7 ? "late" : text);
		}
		results[3].again = "again";
		cr_assert_eq(kb_rpc_pending(rpc), 20);
		for (i = 0; i < 20; i++) {
			snprintf(text, sizeof text, "%d", i);
			expect(i, KC_OK,
			    i == 3     ? "again" :
				i == 7 ? "timeout" :
					 text);
		}
		cr_assert_eq(norder, 21);
		for (i = 0; i < 20; i++)
			cr_assert_eq(order[i], i);
		cr_assert_eq(order[20], 3);
		cr_assert_eq(kb_rpc_pending(rpc), 0);
		kb_rpc_close(&rpc);
	}
}

static void
step_for(int64_t ms)
{
	int64_t end = kc_mono_ms(&kc_clock_system) + ms;

	while (kc_mono_ms(&kc_clock_system) < end)
		cr_assert_eq(kc_loop_step(loop, 5), KC_OK);
}

/*
 * Goal: a call without an answer times out and takes those sent with it
 * along, in doubt; those not sent go out on the next connection.
 */
Test(kb_rpc, no_answer)
{
	open_rpc("127.0.0.1", s.plain, NULL, 300, 2);
	ask(0, "park");
	step_for(100);
	ask(1, "sent too");
	ask(2, "not sent");
	expect(0, KC_ETIMEDOUT, "");
	expect(1, KC_EINDOUBT, "");
	expect(2, KC_OK, "not sent");
}

/* Goal: the server closes: sent is in doubt, the next call works. */
Test(kb_rpc, connection_lost)
{
	open_rpc("127.0.0.1", s.plain, NULL, 5000, 1);
	ask(0, "close");
	ask(1, "queued");
	expect(0, KC_EINDOUBT, "");
	expect(1, KC_OK, "queued");
	ask(2, "close");
	expect(2, KC_EINDOUBT, "");
	ask(3, "x");
	expect(3, KC_OK, "x");
}

/* Goal: closing ends everything, once; also from within done(). */
Test(kb_rpc, closed)
{
	int i;

	open_rpc("127.0.0.1", s.plain, NULL, 5000, 2);
	for (i = 0; i < 4; i++)
		ask(i, "park");
	kt_wait_parked(0);
	kb_rpc_close(&rpc);
	for (i = 0; i < 4; i++)
		expect(i, KC_ECLOSED, "");
	open_rpc("127.0.0.1", s.plain, NULL, 5000, 1);
	ask(0, "x");
	ask(1, "y");
	results[0].close = true;
	expect(0, KC_OK, "x");
	expect(1, KC_ECLOSED, "");
	cr_assert_null(rpc);
	/* While the name is looked up, and in the middle of a failure. */
	open_rpc("localhost", s.plain, NULL, 5000, 1);
	ask(0, "x");
	kb_rpc_close(&rpc);
	expect(0, KC_ECLOSED, "");
	open_rpc("127.0.0.1", 1, NULL, 5000, 1);
	ask(0, "x");
	ask(1, "y");
	results[0].close = true;
	expect(0, KC_ECONNREFUSED, "");
	expect(1, KC_ECLOSED, "");
}

static int counted;

static void
count(struct kb_rpc_call *call)
{
	cr_assert_eq(call->err, KC_ECLOSED);
	counted++;
}

Test(kb_rpc, too_many)
{
	struct kp_find_coordinator_req req;
	int i, rc = KC_OK;

	kp_init(kp_desc_find_coordinator_req(), &req);
	req.key = kc_str("x");
	open_rpc("127.0.0.1", s.plain, NULL, 5000, 1);
	for (i = 0; rc == KC_OK; i++)
		rc = kb_rpc_call(rpc, kp_api_get(kp_key_find_coordinator), 1,
		    &req, count, NULL);
	cr_assert_eq(rc, KC_ELIMIT);
	cr_assert_eq(i, KB_RPC_QUEUE_MAX + 1);
	cr_assert_eq(kb_rpc_pending(rpc), KB_RPC_QUEUE_MAX);
	kb_rpc_close(&rpc);
	cr_assert_eq(counted, KB_RPC_QUEUE_MAX);
}

static bool fiber_done;

static void
in_fiber(void *arg)
{
	const struct kp_api *api = kp_api_get(kp_key_find_coordinator);
	const struct kp_find_coordinator_resp *resp;
	struct kb_rpc_call *call = NULL;
	struct kp_find_coordinator_req req;

	(void)arg;
	kp_init(kp_desc_find_coordinator_req(), &req);
	req.key = kc_str("from a fiber");
	cr_assert_eq(kb_rpc_ask(rpc, api, 1, &req, &call), KC_OK);
	kc_fiber_sleep(5);
	resp = call->resp;
	cr_assert(kc_str_eqz(resp->host, "from a fiber"));
	kb_rpc_call_free(&call);
	req.key = kc_str("close");
	cr_assert_eq(kb_rpc_ask(rpc, api, 1, &req, &call), KC_EINDOUBT);
	cr_assert_null(call);
	fiber_done = true;
}

Test(kb_rpc, fiber)
{
	open_rpc("localhost", s.plain, NULL, 5000, 1);
	cr_assert_eq(kc_fiber_start(loop, in_fiber, NULL), KC_OK);
	while (!fiber_done)
		cr_assert_eq(kc_loop_step(loop, -1), KC_OK);
}
