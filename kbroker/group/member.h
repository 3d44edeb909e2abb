/*
 * member -- the table of a group's members (group.c decides about them).
 *
 * @thread the group's
 */
#ifndef KB_MEMBER_H
#define KB_MEMBER_H

#include "kbroker/group/group.h"

/* A malloc'ed copy, NUL-terminated; null stays null.  KC_ENOMEM. */
int kb_str_copy(struct kc_str *to, struct kc_str from);
/* The same in place of what was there. */
int kb_str_set(struct kc_str *to, struct kc_str from);
void kb_str_free(struct kc_str *s); /* null afterwards */

/* A new member from a join, in the tables.  NULL when out of memory. */
struct kb_member *kb_member_add(struct kb_group *grp, struct kc_str id,
    struct kc_str instance_id, struct kc_str client_id,
    struct kc_str client_host);
struct kb_member *kb_member_find(
    const struct kb_group *grp, struct kc_str id); /* NULL: none */
struct kb_member *kb_member_static(
    const struct kb_group *grp, struct kc_str instance_id);
/* Out of the tables and freed; it waits for nothing any more. */
void kb_member_remove(struct kb_group *grp, struct kb_member *m);
/* The same member under another id.  KC_ENOMEM and nothing changed. */
int kb_member_rename(
    struct kb_group *grp, struct kb_member *m, struct kc_str id);

/* Copies v[0..n) in one block. */
int kb_protocols_copy(struct kb_member_protocol **to,
    const struct kb_member_protocol *v, int32_t n);
bool kb_protocols_eq(
    const struct kb_member *m, const struct kb_member_protocol *v, int32_t n);
/* Is one of v spoken by every member? */
bool kb_protocols_common(
    const struct kb_group *grp, const struct kb_member_protocol *v, int32_t n);
/*
 * The one to use: of those that all members have, each votes for the one it
 * lists first; of equals the one that the earliest member votes for.  Null
 * when there is none.
 */
struct kc_str kb_protocols_select(const struct kb_group *grp);

struct kb_pending *kb_pending_find(
    const struct kb_group *grp, struct kc_str id);
int kb_pending_add(struct kb_group *grp, struct kc_str id, int64_t due_ms);
void kb_pending_remove(struct kb_group *grp, struct kb_pending *p);

#endif
