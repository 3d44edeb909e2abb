/*
 * proxy -- a TCP forwarder on loopback, in a process of its own, with which a
 * test takes a connection away at a moment of its choosing.
 *
 * @thread the main thread alone
 */
#ifndef KT_PROXY_H
#define KT_PROXY_H

#include <sys/types.h>

struct kt_proxy {
	pid_t pid;
	int port; /* connect here */
};

/*
 * First thing in main(): where this program is started again as a proxy, it
 * runs that and does not return.
 */
void kt_proxy_main(int argc, char **argv);

/* Forward to 127.0.0.1:target from now on.  log_path as in kt_spawn(). */
void kt_proxy_start(struct kt_proxy *p, int target, const char *log_path);
/* From now on what the server says is lost; what the client says arrives. */
void kt_proxy_swallow(struct kt_proxy *p);
/* Cut all connections; new ones are forwarded whole. */
void kt_proxy_cut(struct kt_proxy *p);
/* Nothing passes in either direction, nothing is closed. */
void kt_proxy_freeze(struct kt_proxy *p);
void kt_proxy_thaw(struct kt_proxy *p);
void kt_proxy_stop(struct kt_proxy *p);

#endif
