#include "script.h"

#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RULES_MAX 64
#define WORDS_MAX 8

/* A line, cut into words. A rule is FUNCTION N EFFECT...; other lines begin with "lost" or "set". */
struct rule {
    char *words[WORDS_MAX]; /* into `text`; NULL behind the last */
    unsigned calls;         /* of its function since it was read */
    bool is_once;           /* of all processes together */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct rule rules[RULES_MAX];
static unsigned rule_count;
static char text[16384];
static struct stat read_as;
static unsigned calls_of_process;

static const char *program(void)
{
    const char *wish = getenv("FAKECUDA_PROGRAM");
    return wish != NULL ? wish : program_invocation_short_name;
}

static void add_rule(char *line)
{
    struct rule *rule = &rules[rule_count];
    *rule = (struct rule){0};
    unsigned count = 0;
    char *rest = NULL;
    for (char *word = strtok_r(line, " \t", &rest); word != NULL && count + 1 < WORDS_MAX; word = strtok_r(NULL, " \t", &rest)) {
        if (word[0] == '#') break;
        bool is_for_another = count == 0 && word[0] == '@' && strcmp(word + 1, program()) != 0;
        if (is_for_another) return;
        if (strcmp(word, "once") == 0) rule->is_once = true;
        else if (word[0] != '@') rule->words[count++] = word;
    }
    if (count > 0) rule_count++;
}

static void read_script(const char *path)
{
    rule_count = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;
    if (fd >= 0) close(fd);
    text[length > 0 ? length : 0] = '\0';
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL && rule_count < RULES_MAX; line = strtok_r(NULL, "\n", &rest))
        add_rule(line);
}

static void refresh(void)
{
    const char *path = getenv("FAKECUDA_SCRIPT");
    struct stat now = {0};
    if (path == NULL) return;
    if (stat(path, &now) < 0) now = (struct stat){0};
    bool is_same = now.st_ino == read_as.st_ino && now.st_size == read_as.st_size && now.st_mtim.tv_sec == read_as.st_mtim.tv_sec &&
                   now.st_mtim.tv_nsec == read_as.st_mtim.tv_nsec;
    if (is_same) return;
    read_as = now;
    read_script(path);
}

/* The first process that comes to this point of a "once" rule leaves a mark in the folder of the machine. */
static bool is_first(const struct rule *rule)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/once-%u-%lld.%09ld", fake_state_folder(), (unsigned)(rule - rules), (long long)read_as.st_mtim.tv_sec,
             read_as.st_mtim.tv_nsec);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) close(fd);
    return fd >= 0;
}

/* "*" = every call, "3" = the third, "3+" = from the third on. */
static bool is_its_turn(struct rule *rule)
{
    const char *which = rule->words[1];
    char *end = NULL;
    rule->calls++;
    unsigned long number = strtoul(which, &end, 10);
    bool is_now = strcmp(which, "*") == 0 || (*end == '+' ? rule->calls >= number : rule->calls == number);
    return is_now && (!rule->is_once || is_first(rule));
}

/* --- effects: what the words behind the number do --- */

static void effect_result(char *const *words, const char *function, struct fake_fate *fate)
{
    (void)function;
    fate->result = words[1] != NULL ? atoi(words[1]) : 0;
    fate->is_sticky = words[1] != NULL && words[2] != NULL && strcmp(words[2], "sticky") == 0;
}

static void effect_delay(char *const *words, const char *function, struct fake_fate *fate)
{
    (void)function;
    fate->delay_ms = words[1] != NULL ? (unsigned)atoi(words[1]) : 0;
}

static void effect_hang(char *const *words, const char *function, struct fake_fate *fate)
{
    (void)words;
    (void)function;
    fate->is_hung = true;
}

static void effect_kill(char *const *words, const char *function, struct fake_fate *fate)
{
    (void)words;
    (void)function;
    (void)fate;
    kill(getpid(), SIGKILL);
}

static void effect_slow(char *const *words, const char *function, struct fake_fate *fate)
{
    (void)function;
    fate->slow_ms = words[1] != NULL ? (unsigned)atoi(words[1]) : 0;
}

static void effect_stall(char *const *words, const char *function, struct fake_fate *fate)
{
    (void)words;
    (void)function;
    fate->is_stalled = true;
}

static void effect_late(char *const *words, const char *function, struct fake_fate *fate)
{
    (void)function;
    fate->late_result = words[1] != NULL ? atoi(words[1]) : 0;
}

/* A line for each call, written at once: what was counted stays when the process is killed. */
static void effect_count(char *const *words, const char *function, struct fake_fate *fate)
{
    (void)fate;
    char line[256];
    int fd = words[1] != NULL ? open(words[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    int length = snprintf(line, sizeof(line), "%s %d %u %s\n", program(), (int)getpid(), calls_of_process, function);
    if (fd < 0 || write(fd, line, (size_t)length) != length) fprintf(stderr, "fakecuda: cannot write to %s\n", words[1]);
    if (fd >= 0) close(fd);
}

static const struct {
    const char *word;
    void (*apply)(char *const *words, const char *function, struct fake_fate *fate);
} effects[] = {
    {"=", effect_result}, {"delay", effect_delay}, {"hang", effect_hang}, {"kill", effect_kill},
    {"slow", effect_slow}, {"stall", effect_stall}, {"late", effect_late}, {"count", effect_count},
};

static void apply(char *const *words, const char *function, struct fake_fate *fate)
{
    for (unsigned i = 0; i < sizeof(effects) / sizeof(effects[0]); i++) {
        if (strcmp(words[0], effects[i].word) != 0) continue;
        effects[i].apply(words, function, fate);
        return;
    }
    fprintf(stderr, "fakecuda: the script has an effect that is none: %s\n", words[0]);
    abort();
}

void fake_script_call(const char *function, struct fake_fate *ret_fate)
{
    *ret_fate = (struct fake_fate){0};
    pthread_mutex_lock(&mutex);
    refresh();
    calls_of_process++;
    for (unsigned i = 0; i < rule_count; i++) {
        struct rule *rule = &rules[i];
        if (rule->words[1] == NULL || rule->words[2] == NULL || strcmp(rule->words[0], "set") == 0 || strcmp(rule->words[0], "lost") == 0) continue;
        if (fnmatch(rule->words[0], function, 0) == 0 && is_its_turn(rule)) apply(&rule->words[2], function, ret_fate);
    }
    pthread_mutex_unlock(&mutex);
    if (ret_fate->delay_ms > 0) nanosleep(&(struct timespec){.tv_sec = ret_fate->delay_ms / 1000, .tv_nsec = ret_fate->delay_ms % 1000 * 1000000L}, NULL);
    while (ret_fate->is_hung)
        sleep(3600);
}

bool fake_script_is_lost(const char *uuid, int *ret_result)
{
    bool is_lost = false;
    pthread_mutex_lock(&mutex);
    refresh();
    for (unsigned i = 0; i < rule_count; i++) {
        char *const *words = rules[i].words;
        if (strcmp(words[0], "lost") != 0) continue;
        bool is_named = words[1] != NULL && strchr(words[1], '-') != NULL;
        if (is_named && strcmp(words[1], uuid) != 0) continue;
        const char *code = is_named ? words[2] : words[1];
        *ret_result = code != NULL ? atoi(code) : 46;
        is_lost = true;
    }
    pthread_mutex_unlock(&mutex);
    return is_lost;
}

uint64_t fake_script_figure(const char *name, uint64_t otherwise)
{
    uint64_t value = otherwise;
    pthread_mutex_lock(&mutex);
    refresh();
    for (unsigned i = 0; i < rule_count; i++) {
        char *const *words = rules[i].words;
        if (strcmp(words[0], "set") == 0 && words[1] != NULL && words[2] != NULL && strcmp(words[1], name) == 0) value = strtoull(words[2], NULL, 10);
    }
    pthread_mutex_unlock(&mutex);
    return value;
}
