/* tests/fuzz/fuzz.c: checks graphs made at random, each in a process of its own, so that a crash is a failure like others.
 *
 *     fuzz [-k | -c] [-p] [-j JOBS] [SEED [COUNT]]
 *
 * -k: kernels; -c: the C; else the passes. -p: prints the dump of SEED. Of what fails a small dump is printed,
 * which `netc --from-ir` takes. The last line counts. */
#define _DEFAULT_SOURCE /* anonymous memory */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

enum { SECONDS = 60 }; /* more is a failure */

struct options {
    check_fn *check;
    const char *name;
    bool print;
    int jobs;
    uint64_t seed, count;
};

static void child(check_fn *check, const char *text, uint64_t seed, FILE *say)
{
    FILE *to = say ? say : fopen("/dev/null", "w");

    dup2(fileno(to), STDERR_FILENO);
    alarm(SECONDS);
    check(text, seed);
    fflush(NULL);
    _exit(0);
}

bool passes_check(check_fn *check, const char *text, uint64_t seed, FILE *say)
{
    int status;

    fflush(NULL);
    pid_t p = fork();
    if (p < 0)
        fails("there can be no more processes");
    if (p == 0)
        child(check, text, seed, say);
    waitpid(p, &status, 0);
    if (WIFSIGNALED(status) && say)
        fprintf(say, "ended by signal %d\n", WTERMSIG(status));
    return status == 0;
}

static const char *text_of_seed(struct arena *a, uint64_t seed)
{
    struct module *m = random_module(a, seed);

    if (!verify_module(m))
        fails("seed %llu: the module is not well formed", (unsigned long long)seed);
    return text_of_module(a, m);
}

/* One seed; where it fails, what is wrong with the smallest dump that fails. */
static bool check_seed(const struct options *o, uint64_t seed)
{
    struct arena *a = arena_new();
    const char *text = text_of_seed(a, seed);
    bool good = passes_check(o->check, text, seed, NULL);

    if (!good) {
        const char *small = shrink(a, o->check, text, seed);
        printf("FAILED %s, seed %llu\n%s", o->name, (unsigned long long)seed, small);
        fflush(stdout);
        passes_check(o->check, small, seed, stdout);
    }
    arena_free(a);
    return good;
}

/* Every jobs-th seed from `first` on; the number of failures, as far as a status goes. */
static int check_seeds(const struct options *o, uint64_t first)
{
    int failures = 0;

    for (uint64_t i = first; i < o->count; i += (uint64_t)o->jobs)
        failures += !check_seed(o, o->seed + i);
    fflush(stdout);
    return failures < 100 ? failures : 100;
}

static int check_all(const struct options *o)
{
    int failures = 0, status;

    tally = mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int j = 0; j < o->jobs; j++)
        if (fork() == 0)
            _exit(check_seeds(o, (uint64_t)j));
    while (wait(&status) > 0)
        failures += WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    printf("%s: %llu graphs, %d failed; %lld numbers compared, %lld of them doubtful; %lld went in parts\n", o->name,
           (unsigned long long)o->count, failures, (long long)tally->compared, (long long)tally->doubtful,
           (long long)tally->parted);
    return failures > 0;
}

static struct options options_of(int argc, char **argv)
{
    struct options o = { .check = check_passes, .name = "passes", .jobs = 2, .seed = 1, .count = 1 };
    int c;

    while ((c = getopt(argc, argv, "kcpj:")) != -1)
        switch (c) {
        case 'k': o.check = check_kernels, o.name = "kernels"; break;
        case 'c': o.check = check_c, o.name = "C"; break;
        case 'p': o.print = true; break;
        case 'j': o.jobs = atoi(optarg); break;
        default: fails("usage: fuzz [-k | -c] [-p] [-j JOBS] [SEED [COUNT]]");
        }
    if (optind < argc)
        o.seed = strtoull(argv[optind++], NULL, 10);
    if (optind < argc)
        o.count = strtoull(argv[optind++], NULL, 10);
    o.jobs = o.jobs < 1 ? 1 : o.jobs;
    return o;
}

int main(int argc, char **argv)
{
    struct options o = options_of(argc, argv);
    struct arena *a = arena_new();

    if (!o.print)
        return check_all(&o);
    fputs(text_of_seed(a, o.seed), stdout);
    arena_free(a);
    return 0;
}
