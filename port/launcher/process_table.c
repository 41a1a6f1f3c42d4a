/* Reads /proc/PID/stat of each process. */
#include "launcher/process_table.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/platform.h"

#ifdef PLATFORM_IS_LINUX
#    include <sys/prctl.h>
#endif

#define GUARD_NAME "pythonx_guard"

/* The fields that we read of those behind the name, which is in parentheses: the state is the first of them. */
enum field { FIELD_PARENT = 1, FIELD_GROUP = 2, FIELD_SESSION = 3, FIELD_STARTED = 19 };

static bool take_process(const char *text, pid_t pid, struct process *process)
{
    long long fields[FIELD_STARTED + 1] = {0};
    /* The name may hold parentheses and spaces. */
    const char *at = strrchr(text, ')');
    if (at == NULL || at[1] != ' ')
        return false;
    at += 2;
    char state = *at;
    for (int i = FIELD_PARENT; i <= FIELD_STARTED; i++) {
        char *end;
        at = strchr(at, ' ');
        if (at == NULL)
            return false;
        fields[i] = strtoll(at, &end, 10);
        at = end;
    }
    *process = (struct process){.pid = pid,
                                .parent = (pid_t)fields[FIELD_PARENT],
                                .group = (pid_t)fields[FIELD_GROUP],
                                .session = (pid_t)fields[FIELD_SESSION],
                                .started = (unsigned long long)fields[FIELD_STARTED],
                                .guards = strstr(text, "(" GUARD_NAME ")") != NULL,
                                .ended = state == 'Z' || state == 'X'};
    return true;
}

/* Returns false if the process has gone. */
static bool read_process(pid_t pid, struct process *process)
{
    char path[32], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[length > 0 ? length : 0] = '\0';
    return length > 0 && take_process(text, pid, process);
}

static bool make_room(struct process_table *table)
{
    if (table->count < table->room)
        return true;
    size_t room = table->room == 0 ? 256 : table->room * 2;
    struct process *rows = realloc(table->rows, room * sizeof *rows);
    if (rows == NULL)
        return false;
    table->rows = rows;
    table->room = room;
    return true;
}

bool process_table_read(struct process_table *table)
{
    DIR *folder = opendir("/proc");
    bool done = folder != NULL;
    const struct dirent *entry;
    table->count = 0;
    while (done && (entry = readdir(folder)) != NULL) {
        long pid = strtol(entry->d_name, NULL, 10); /* 0 for names that are no number */
        if (pid <= 0 || pid > INT_MAX)
            continue;
        done = make_room(table);
        if (done && read_process((pid_t)pid, &table->rows[table->count]))
            table->count++;
    }
    if (folder != NULL)
        closedir(folder);
    return done;
}

void process_table_name_guard(void)
{
#ifdef PLATFORM_IS_LINUX
    (void)prctl(PR_SET_NAME, GUARD_NAME);
#endif
}

const struct process *process_table_find(const struct process_table *table, pid_t pid)
{
    for (size_t i = 0; i < table->count; i++)
        if (table->rows[i].pid == pid)
            return &table->rows[i];
    return NULL;
}

void process_table_free(struct process_table *table)
{
    free(table->rows);
    *table = (struct process_table){0};
}
