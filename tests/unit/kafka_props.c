// SPDX-License-Identifier: Apache-2.0
//
// The user's properties file: what is read, what is refused and where, and that no value shows.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "connectors/kafka/kafka.h"

static char path[] = "/tmp/weir-props.XXXXXX", secret[] = "/tmp/weir-secret.XXXXXX";

static void write_file(char *name, const char *text)
{
	strcpy(name + strlen(name) - 6, "XXXXXX");
	int fd = mkstemp(name);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

START_TEST(reads)
{
	char text[500], **got;
	struct error e = {0};
	write_file(secret, "  from file \nsecond line\n");
	sprintf(text,
	        "# comment\n\n security.protocol = sasl_ssl "
	        "\r\nsasl.password=${env:UT_SECRET}\n"
	        "ssl.key.password=${file:%s}\nempty=\na=b=c",
	        secret);
	write_file(path, text);
	setenv("UT_SECRET", "from env", 1);
	ck_assert_msg(kafka_properties_read(path, &got, &e) == ST_OK, "%s", e.msg);
	static const char *const want[] = {"security.protocol", "sasl_ssl", "sasl.password",
	        "from env", "ssl.key.password", "from file", "empty", "", "a", "b=c"};
	for (size_t i = 0; i < sizeof want / sizeof *want; i++)
		ck_assert_str_eq(got[i], want[i]);
	ck_assert_ptr_null(got[sizeof want / sizeof *want]);
	kafka_properties_free(got);
	unlink(path);
	unlink(secret);
}
END_TEST

static const struct {
	const char *text, *says;
} bad[] = {
        {"a=1\nnonsense hunter2\n", ":2: name=value expected"},
        {"a=1\n\nsasl.password=${env:UT_ABSENT}\n", ":3: sasl.password: UT_ABSENT is not in"},
        {"sasl.password=${file:/nowhere/hunter2}\n",
                ":1: sasl.password: /nowhere/hunter2 cannot"},
        {"sasl.password=${hunter2}\n",
                ":1: sasl.password: ${env:NAME} or ${file:PATH} expected"},
};

START_TEST(refuses)
{
	char **got = NULL;
	struct error e = {0};
	write_file(path, bad[_i].text);
	unsetenv("UT_ABSENT");
	ck_assert_int_eq(kafka_properties_read(path, &got, &e), ST_ERR);
	ck_assert_int_eq(e.class, ERR_USER);
	ck_assert_msg(strstr(e.msg, bad[_i].says) != NULL, "%s", e.msg);
	ck_assert(strstr(e.msg, "nonsense") == NULL);
	unlink(path);
	ck_assert_int_eq(kafka_properties_read(path, &got, &e), ST_ERR);
	ck_assert_msg(strstr(e.msg, "No such file") != NULL, "%s", e.msg);
}
END_TEST

/* Against the table of Kafka's own test (UtilsTest.testMurmur2). */
static const struct {
	const char *key;
	int32_t hash;
} murmur[] = {{"21", -973932308}, {"foobar", -790332482},
        {"a-little-bit-long-string", -985981536}, {"a-little-bit-longer-string", -1486304829},
        {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971}, {"abc", 479470107}};

START_TEST(partitions)
{
	for (size_t i = 0; i < sizeof murmur / sizeof *murmur; i++)
		for (int32_t n = 1; n < 50; n++)
			ck_assert_int_eq(log_partition_of(slice_of(murmur[i].key), n),
			        (murmur[i].hash & 0x7fffffff) % n);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("kafka_props");
	TCase *t = tcase_create("props");
	tcase_add_test(t, reads);
	tcase_add_loop_test(t, refuses, 0, sizeof bad / sizeof *bad);
	tcase_add_test(t, partitions);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
