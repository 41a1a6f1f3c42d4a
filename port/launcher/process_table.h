/* Lists the processes of the system, from /proc (proc(5)). */
#ifndef PYTHONX_PROCESS_TABLE_H
#define PYTHONX_PROCESS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct process {
    pid_t pid, parent, group, session;
    unsigned long long started; /* ticks since the system's start: a pid that is used again has another */
    bool guards;                /* has called process_table_name_guard */
    bool ended;                 /* its parent has not asked for its status yet */
};

struct process_table {
    struct process *rows; /* in no order */
    size_t count, room;
};

/* Replaces the contents of the table, which is empty at first: {0}. Returns false if there is no memory, or no /proc. A
 * process that starts or ends meanwhile may be in it or not. */
bool process_table_read(struct process_table *table);

/* Marks the calling process in the tables of all. */
void process_table_name_guard(void);

/* Returns the process, or NULL. Valid until the table is read again. */
const struct process *process_table_find(const struct process_table *table, pid_t pid);

void process_table_free(struct process_table *table);

#endif
