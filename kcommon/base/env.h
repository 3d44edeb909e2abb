/*
 * env -- what a broker sees of the world.
 *
 * Production fills it with kc_env_system(); the simulator with its own.  All
 * time, randomness, files and sockets go through here, so that one seed
 * reproduces a run and many brokers fit in one process.  (The ZooKeeper
 * client has its table in kzk/zk_ops.h; kbroker joins the two in struct
 * kb_env.)
 */
#ifndef KC_ENV_H
#define KC_ENV_H

struct kc_clock;
struct kc_rand;
struct kc_file_ops;
struct kc_net_ops;

struct kc_env {
	struct kc_clock *clock; /* kcommon/base/clock.h */
	struct kc_rand *rand; /* kcommon/base/rand.h */
	const struct kc_file_ops *file; /* kcommon/io/file.h */
	const struct kc_net_ops *net; /* kcommon/io/sock.h */
};

#endif
