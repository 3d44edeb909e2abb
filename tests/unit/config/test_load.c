#include "tests/unit/config/common.h"

#include "kcommon/base/err.h"
#include "kcommon/io/file.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[64];

static void
write_file(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "w");
	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
}

static void
setup(void)
{
	strcpy(dir, "/tmp/kb-test-config-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	write_file("secrets", "password=ge heim\nempty=\n");
	write_file("token", "abc\n");
}

static void
teardown(void)
{
	static const char *const names[] = { "secrets", "token",
		"server.properties" };
	char path[128];

	for (size_t i = 0; i < KC_COUNT(names); i++) {
		snprintf(path, sizeof path, "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
}

TestSuite(load, .init = setup, .fini = teardown);

/* fmt may name dir once. */
static struct kc_props *
load(const char *text, struct kb_report *rep)
{
	struct kc_props *p = NULL;
	char path[128], all[2048];
	int rc;

	snprintf(all, sizeof all,
	    "config.providers=file,dir,env,safe\n"
	    "config.providers.file.class=org.apache.kafka.common.config."
	    "provider.FileConfigProvider\n"
	    "config.providers.dir.class=org.apache.kafka.common.config."
	    "provider.DirectoryConfigProvider\n"
	    "config.providers.env.class=org.apache.kafka.common.config."
	    "provider.EnvVarConfigProvider\n"
	    "config.providers.env.param.allowlist.pattern=KB_.*|OTHER\n"
	    "config.providers.safe.class=org.apache.kafka.common.config."
	    "provider.FileConfigProvider\n"
	    "config.providers.safe.param.allowed.paths=/nowhere,%s/\n%s\n",
	    dir, text);
	write_file("server.properties", all);
	snprintf(path, sizeof path, "%s/server.properties", dir);
	rc = kb_config_load(&p, &kc_file_system, path, NULL, 0, rep);
	cr_expect_eq(rc, rep->errors > 0 ? KC_EINVAL : KC_OK);
	return p;
}

static void
expect(const char *fmt, const char *want)
{
	struct kb_report rep = { 0 };
	struct kc_props *p;
	char text[512];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(text, sizeof text, fmt, dir);
#pragma GCC diagnostic pop
	p = load(text, &rep);
	cr_assert_not_null(
	    p, "%s: %s", fmt, rep.n > 0 ? rep.v[0].text : "no finding");
	cr_expect_str_eq(kc_props_get(p, "x"), want);
	kc_props_close(&p);
	kb_report_free(&rep);
}

static void
expect_error(const char *fmt, const char *why)
{
	struct kb_report rep = { 0 };
	struct kc_props *p;
	char text[512];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(text, sizeof text, fmt, dir);
#pragma GCC diagnostic pop
	p = load(text, &rep);
	cr_expect_null(p);
	cr_expect(reported(&rep, KB_REPORT_ERROR, why), "%s: %s", fmt,
	    rep.n > 0 ? rep.v[0].text : "no finding");
	kc_props_close(&p);
	kb_report_free(&rep);
}

Test(load, variables_that_cannot_be_resolved)
{
	expect_error("x=${file:%s/none:password}", "does not exist");
	expect_error("x=${file:%s/secrets:none}", "none is not there");
	expect_error("x=${file:password}", "a path is missing");
	expect_error("x=${dir:%s:../secrets}", "is not the name of a file");
	expect_error("x=${dir:%s:none}", "does not exist");
	expect_error("x=${env:KB_NOT_SET_ANYWHERE}", "is not there");
	expect_error("x=${env:PATH}", "does not allow PATH");
	expect_error("x=${env:/x:KB_A}", "no path in the environment");
	expect_error("x=${safe:/etc/passwd:root}", "allowed.paths");
	expect_error("x=${safe:%s/../secrets:password}", "allowed.paths");
	expect_error("x=${safe:%sx/secrets:password}", "allowed.paths");
}

Test(load, variables)
{
	setenv("KB_TEST_CONFIG", "from env", 1);
	expect("x=a ${file:%s/secrets:password} b", "a ge heim b");
	expect("x=${file:%s/secrets:empty}", "");
	expect("x=${safe:%s/secrets:password}", "ge heim");
	expect("x=${dir:%s:token}", "abc\n");
	expect("x=${env:KB_TEST_CONFIG}", "from env");
	expect("x=${env::KB_TEST_CONFIG}${env:KB_TEST_CONFIG}",
	    "from envfrom env");
	/* What is no variable of a provider stays. */
	expect("x=${other:a:b}", "${other:a:b}");
	expect("x=${file}", "${file}");
	expect("x=${file:", "${file:");
	expect("x=$(file:a:b) $$ {}", "$(file:a:b) $$ {}");
}

Test(load, unknown_provider)
{
	struct kb_report rep = { 0 };
	struct kc_props *p = NULL;
	const char *over[] = { "config.providers=vault",
		"config.providers.vault.class=com.x.Y" };

	cr_expect_eq(kb_config_load(&p, &kc_file_system, NULL, over, 2, &rep),
	    KC_EINVAL);
	cr_expect(reported(&rep, KB_REPORT_ERROR, "config.providers.vault"));
	kb_report_free(&rep);
}

Test(load, overrides)
{
	struct kb_report rep = { 0 };
	struct kc_props *p = NULL;
	const char *over[] = { "broker.id=2", "a=", "b=c=d" };
	char path[128];
	const char *bad[] = { "broker.id", "=1" };

	write_file("server.properties", "broker.id=1\na=1\nz=${x:y:z}\n");
	snprintf(path, sizeof path, "%s/server.properties", dir);
	cr_assert_eq(
	    kb_config_load(&p, &kc_file_system, path, over, 3, &rep), KC_OK);
	cr_expect_str_eq(kc_props_get(p, "broker.id"), "2");
	cr_expect_str_eq(kc_props_get(p, "a"), "");
	cr_expect_str_eq(kc_props_get(p, "b"), "c=d");
	cr_expect_str_eq(kc_props_get(p, "z"), "${x:y:z}");
	kc_props_close(&p);
	cr_expect_eq(
	    kb_config_load(&p, &kc_file_system, path, bad, 2, &rep), KC_EINVAL);
	cr_expect_eq(rep.errors, 2);
	kb_report_free(&rep);
}

Test(load, file_that_is_wrong)
{
	struct kb_report rep = { 0 };
	struct kc_props *p = NULL;

	cr_expect_eq(
	    kb_config_load(&p, &kc_file_system, "/nonexistent", NULL, 0, &rep),
	    KC_EINVAL);
	cr_expect(
	    reported(&rep, KB_REPORT_ERROR, "/nonexistent: does not exist"));
	kb_report_free(&rep);
	rep = (struct kb_report){ 0 };
	load("a=1\nb=\\uZ", &rep);
	cr_expect(reported(&rep, KB_REPORT_ERROR, "malformed \\uXXXX"));
	kb_report_free(&rep);
}
